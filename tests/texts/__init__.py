"""The texts that people see: all are marked for translation, and each language that ships has all of them."""
