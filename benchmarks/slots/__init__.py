"""The slot policy under made-up traffic on clusters nobody has, and which wall comes next."""
