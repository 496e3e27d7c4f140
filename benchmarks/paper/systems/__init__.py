"""SEN and what it is compared with, all behind one interface."""
