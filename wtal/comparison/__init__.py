"""Every method of the paper's argument, trained and tested in the same way."""
