"""Every method of the paper's argument, trained and tested alike."""
