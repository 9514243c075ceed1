"""Networks: layers along time, text features, heads."""
