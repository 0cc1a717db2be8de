"""What is run by hand beside the product; not in the wheel."""
