"""Text features of classes: learned prompts, templates, files."""
