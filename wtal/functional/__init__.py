"""Pure functions on tensors and arrays: no device, configuration or file."""
