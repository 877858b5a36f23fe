"""The rule watch (`firedrill alerts watch`): check, scale and reload files as you save them."""
