"""What SEN costs as tasks become thousands: simulated tasks through the whole product."""
