"""Third-party licences of the packages that Headrace runs on."""
