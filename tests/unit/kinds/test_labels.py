"""A label is found in the forms that models write, and nothing else is taken for a choice."""

# ruff: noqa: RUF001  # letters and marks that look alike are what is tested
import pytest

from headrace.kinds.labels import LabelFinder, check_labels

LABELS = [
    "Sales",
    "IT & Security",
    "Legal",
    "Inc.",
    "Customer Success/Support",
    "Straße",
    "Café",
    "R-and-D_team",
]
FINDER = LabelFinder(LABELS)

DECORATED = [
    "Sales", '"Sales"', "'Sales'", "“Sales”", "‘Sales’", "«Sales»", "„Sales“", "「Sales」", "**Sales**",
    "*Sales*", "_Sales_", "__Sales__", "***Sales***", "`Sales`", "``Sales``", "```Sales```", "~~Sales~~",
    "Sales.", "Sales!", "Sales,", "Sales;", "Sales:", "Sales…", "**Sales**.", "**Sales.**", '"**Sales**".',
    "[Sales]", "(Sales)", "{Sales}", "<Sales>", "[[Sales]]", "(**Sales**).", "【Sales】", "（Sales）",
    "<label>Sales</label>", "<b>Sales</b>", '<span class="x">Sales</span>', "<category>\nSales\n</category>",
    "1. Sales", "1) Sales", "- Sales", "* Sales", "• Sales", "– Sales", "# Sales", "### Sales", "> Sales",
    "→ Sales", "=> Sales", "✅ Sales", "👉 **Sales**", "Sales ✅", "| Sales |", "\\text{Sales}",
    "$\\text{Sales}$", "- **Sales**", "(1) Sales", "a) Sales", "(b) **Sales**", "1.\u00a0Sales",
    "&quot;Sales&quot;",
    "&#39;Sales&#39;", "<label>Sales", "Sales</label>", "<answer> Sales", "&lt;label&gt;Sales&lt;/label&gt;",
]  # fmt: skip
LED_IN = [
    "Label: Sales", "label: sales", "Category - Sales", "Category – Sales", "Answer: Sales", "Answer:Sales",
    "The label is Sales", "The label is: Sales.", "The correct label is **Sales**",
    "The category is \"Sales\".", "**Label:** Sales", "**Label**: Sales", "**Label: Sales**",
    "### Label: Sales", "Label = Sales", "Category → Sales", "Category => Sales", "Predicted label: `Sales`",
    "Most likely category: Sales", "The best label for this posting is Sales.",
    "The label for the text would be: Sales", "Classification: Sales", "So the answer is Sales.",
    "Kategorie: Sales", "Catégorie : Sales", "类别：Sales", "Label:\nSales", "- Label: Sales",
    "The label is:\n\n**Sales**", "Here is the classification:\nSales", '"label": "Sales"',
    "output: [Sales]", "Here is the label: Sales", "Here's the category: **Sales**.",
    "Sure! The label is Sales",
    "Certainly! Here is the classification: Sales", "Okay, the answer is Sales", "[LABEL] Sales",
    "[Label]: Sales",
    "Sure! Here is the label:\n\nSales",
]  # fmt: skip
JSON = [
    '{"label": "Sales"}', '{"label":"sales"}', '{ "category" : "Sales" }', '{"anything": "Sales"}',
    '["Sales"]', "{'label': 'Sales'}", "{label: Sales}", '{"label": ["Sales"]}', '[{"label": "Sales"}]',
    '{"x": {"label": "Sales"}}', '{"label": "Sales", "confidence": 0.93}',
    '{"label": "Sales", "reason": "It is about selling."}',
    '{"reason": "It is about selling.", "predicted_label": "Sales"}', '{"label": "**Sales**"}',
    '```json\n{"label": "Sales"}\n```', '```\nSales\n```', '```json\n{\n  "label": "Sales"\n}\n```',
    '{\n  "label": "Sales"\n}', 'Here it is:\n```json\n{\n  "label": "Sales"\n}\n```\nIt is about selling.',
    'Here it is:\n{\n  "label": "Sales"\n}', '`{"label": "Sales"}`', '```json {"label": "Sales"}```',
    '{"label": "Sales"', '[{"label": "Sales"}', '{"x": {"label": "Sales"', 'json\n{"label": "Sales"}',
    '{"reasoning": "Legal or Sales?", "label": "Sales"}',
    '{"label": "Sales", "explanation": "not \\"Legal\\""}',
    '```json\n{"analysis": "Legal?", "label": "Sales"}\n```',
    '{"label": "S\\u0061les"}', '{"label": "Sales",}', '"Sales"',
]  # fmt: skip
EXPLAINED = [
    "Sales (because it is about selling)", "Sales (it sells).", "**Sales** (it sells)",
    "Label: Sales (it sells)", "Sales [it sells]", "Sales\nThe posting is about selling.",
    "Sales\n\nBecause (mostly) it sells.", "Sales:\nit sells",
    "**Sales**\n\n**Explanation:** it is about selling.", "Label: Sales\nReason: it sells",
    "(Sales) (it sells)", "The posting is about selling.\n\nSales",
    "It sells.\nLabel: Sales\nConfidence: high", "\n\n  Sales\n\n", "Sales\r\n",
]  # fmt: skip
REASONED = [
    "<think>Legal or Sales?</think>Sales", "<think>\nLegal?\n</think>\n\nSales",
    "Legal or Sales? </think>\nSales", "<reasoning>Legal?</reasoning>\n**Sales**",
    "<thinking>a</thinking><thinking>Legal</thinking> Sales.",
    "<think>a <think>Legal</think> b</think> Sales", "[THINK]Legal?[/THINK]Sales",
    "◁think▷Legal?◁/think▷Sales", "<THINK>Legal</THINK>Sales", "Final answer: Sales",
    "It sells. Final answer: **Sales**", "**Final answer:** Sales",
    "Legal is close, but it sells.\n\nFinal answer: Sales", "## Final Answer\n\nSales",
    "**Final Answer**\nSales", "The final answer is Sales.", "So, the final answer is: `Sales`",
    "Final label: Sales", "\\boxed{Sales}", "Not Legal. \\boxed{Sales}", "$\\boxed{\\text{Sales}}$",
    "Final answer: \\boxed{Sales}", "<answer>Sales</answer>", "Legal? No.\n<answer>Sales</answer>",
    "<analysis>Legal</analysis><answer>\nSales\n</answer>", "<label>Sales</label><reason>not Legal</reason>",
    "<|channel|>analysis<|message|>Legal?<|end|><|start|>assistant<|channel|>final<|message|>Sales<|return|>",
    "Sales<|im_end|>", "Sales</s>", "Sales<end_of_turn>",
]  # fmt: skip
NO_CHOICE = [
    "",
    " \n\t",
    "...",
    "unknown",
    "It is about Sales.",
    "I would say Sales",
    "Sales and Legal",
    "Sales, Legal",
    "Sales or Legal",
    "Sales/Legal",
    "Sales\nLegal",
    "Sales (not Legal)",
    "1. Sales\n2. Legal",
    "**Sales** **Legal**",
    "not Sales",
    "Not: Sales",
    "Label: not Sales",
    "This is Sales work, I think",
    "Sales is the label",
    "Presales",
    "Salesperson",
    "Sale",
    "Sales team",
    "Title: Sales",
    "The Sales label is wrong",
    '["Sales", "Legal"]',
    '{"label": "Legal", "other": "Sales"}',
    '{"label": "unknown"}',
    '{"title": "Sales", "label": "unknown"}',
    '{"a": "Sales", "b": "x"}',
    '{"label": null}',
    '{"label": "Sales"} {"label": "Legal"}',
    '{"label": "Sales or Legal"}',
    '{"label": "Sales',
    '{"label": "Sales", "second": "Legal"',
    '{"reasoning": "Sales", "label": "unknown"}',
    '{"label": "Sales", "note": "not Legal"}',
    "Sure! Sales or Legal",
    "Here is the label",
    "[LABEL]",
    "<label>Sales or Legal",
    "Sales team</label>",
    "a) Sales b) Legal",
    "Sales &amp; Legal",
    "<label>Sales</label><label>Legal</label>",
    "Legal\n<label>Sales</label>",
    "<think>Sales",
    "<think>Sales</think>",
    "Sales</think>",
    "<think>Sales</think>I do not know.",
    "Final answer: Sales\nFinal answer: Legal",
    "Final answer: Sales or Legal",
    "Final answer: none\nLabel: Sales",
    "\\boxed{Sales} \\boxed{Legal}",
    "\\boxed{Sales",
    "Sales\nIt could be Legal as well.",
    "Label: Sales\nLabel: Legal",
    "Sales?",
    "Sales Sales",
    "Label: Sales because it sells",
    "It sells: Sales",
    "{",
    "[",
    '"',
    "``````",
    "****",
    "()",
]  # fmt: skip


@pytest.mark.parametrize("answer", [*DECORATED, *LED_IN, *JSON, *EXPLAINED, *REASONED])
def test_the_label_is_found_in(answer):
    assert FINDER.find(answer) == "Sales"


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("ＳＡＬＥＳ", "Sales"),
        ("sa\u00adles", "Sales"),
        ("\u200bSales\u200d", "Sales"),
        ("\ufeffSales", "Sales"),
        ("𝐒𝐚𝐥𝐞𝐬", "Sales"),
        ("it and security", "IT & Security"),
        ("IT &amp; Security", "IT & Security"),
        ("IT&Security", "IT & Security"),
        ("IT\u00a0&\u2009Security", "IT & Security"),
        ("IT ＆ Security", "IT & Security"),
        ("it_&_security", "IT & Security"),
        ("Customer Success / Support", "Customer Success/Support"),
        ("customer-success/support", "Customer Success/Support"),
        ("customer_success ⁄ support", "Customer Success/Support"),
        ("STRASSE", "Straße"),
        ("STRAẞE", "Straße"),
        ("Cafe\u0301", "Café"),
        ("CAFÉ", "Café"),
        ("cafe", "Café"),
        ("R–and–D team", "R-and-D_team"),
        ("R—and—D—team", "R-and-D_team"),
        ("R−and‐D‑team", "R-and-D_team"),
        ("R&D team", "R-and-D_team"),
        ("r and d_team", "R-and-D_team"),
        ("inc", "Inc."),
        ("The label is Inc.", "Inc."),
    ],
)
def test_typography_makes_no_difference(answer, label):
    assert FINDER.find(answer) == label


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (["résumé", "resume"], "resume", "resume"),
        (["résumé", "resume"], "**RÉSUMÉ**", "résumé"),
        (["a-b", "a_b", "a b"], "a_b", "a_b"),
        (["a-b", "a_b", "a b"], "Label: a b", "a b"),
        (["a-b", "a_b"], "a b", None),
        (["m2", "m²"], "m²", "m²"),
        (["m2", "m²"], "M2.", "m2"),
        (["A & B", "A and B"], "a and b", "A and B"),
        (["A & B", "A and B"], "A&B", None),
        (["C", "C++", "C#"], "`C++`", "C++"),
        (["C", "C++", "C#"], "C\nIt is not C#.", None),
        (["C", "C++", "C#"], "C#\nA language of .NET.", "C#"),
        (["Sales", "Sales Manager"], "Sales Manager", "Sales Manager"),
        (["Sales", "Sales Manager"], "Sales\nNot a Sales Manager", None),
        (["Sales", "Sales (EMEA)"], "**Sales (EMEA)**", "Sales (EMEA)"),
        (["Sales", "Sales (EMEA)"], "Sales (EMEA) (it is in Paris)", "Sales (EMEA)"),
        (["Sales - EMEA", "Sales"], "Label: Sales – EMEA", "Sales - EMEA"),
        (["ısparta", "ankara"], "Isparta", "ısparta"),
        (["sıra", "sira"], "SIRA", "sira"),
        (["İzmir", "Ankara"], "izmir", "İzmir"),
        (["ﬁnance", "law"], "finance", "ﬁnance"),
        (["smørrebrød", "pizza"], "Smorrebrod", "smørrebrød"),
        (["1", "-1", "0"], "-1", "-1"),
        (["1", "0"], "-1", None),
        (["1", "2"], '{"label": 1}', "1"),
        (["1", "2"], "1.", "1"),
        (["1", "2"], "1. 2", None),
        (["true", "false"], '{"spam": true}', "true"),
        (["*", "**", "***"], "**", "**"),
        (["5*", "4*"], "**5***", "5*"),
        (["👍", "👎"], "👍", "👍"),
        (["👍", "👎"], "👍\n👎", None),
        (["!", "?"], "!", "!"),
        (["!", "?"], "? !", None),
        (["销售", "法律"], "类别：销售", "销售"),
        (["销售", "法律"], "销售\n不是法律", None),
        (["销售", "销售经理"], "销售经理", "销售经理"),
        (["none"], "none of them", None),
        (["Sales", "IT"], "Sales\nBecause it sells. It is clear.", "Sales"),
        (["Sales", "IT"], "Sales (it sells)", "Sales"),
        (["Sales", "IT"], "Sales\nit", None),
        (["Sales", "IT"], "Sales (it)", None),
        (["Sales", "IT"], "Sales\nIT would fit as well.", None),
        (["Sales", "IT"], "it", "IT"),
        (["Sales", "IT", "IT Support"], "Sales\nOr perhaps it support.", None),
        (["Sales", "IN", "Made in China"], "Sales\nMade in China", None),
        (["Sales", "IN", "Made in China"], "Label: made in china", "Made in China"),
        (["Yes", "No"], "Yes\nThere is no doubt.", "Yes"),
        (["Yes", "No"], "Yes\nNo doubt.", None),
        (["yes", "no"], "yes\nThere is no doubt.", None),
        (["A", "B"], "B\nThis is a fit.", "B"),
        (["A", "B"], "Option: B", "B"),
        (["Answer", "Question"], "Answer: Question", None),
        (["Answer", "Question"], "Answer", "Answer"),
        (["<think>", "x"], "<think>", "<think>"),
        (["O'Neil", "x"], "O’Neil", "O'Neil"),
    ],
)
def test_labels_that_are_alike_stay_apart(labels, answer, label):
    check_labels(labels)
    assert LabelFinder(labels).find(answer) == label


@pytest.mark.parametrize("answer", NO_CHOICE)
def test_no_label_is_found_in(answer):
    assert FINDER.find(answer) is None


@pytest.mark.parametrize(
    "labels", [["a", " "], ["a", "b\nc"], ["Sales.", "sales"], ["'x'", "X"], ["…", ". "]]
)
def test_labels_that_cannot_be_told_apart_are_refused(labels):
    with pytest.raises(ValueError, match="label 1" if labels[0] != "…" else "label"):
        check_labels(labels)
