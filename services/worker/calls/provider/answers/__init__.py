"""Parts of ``response``: the forms that an answer, its text and its finish_reason can have."""
