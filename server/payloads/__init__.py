"""What is said to the platform by others than machines: telephones and operators."""
