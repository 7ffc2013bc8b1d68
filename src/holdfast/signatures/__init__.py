"""What the code's tasks take, what it was when it was last agreed on, and what the waiting jobs were called with."""
