"""`make bench`: what jobhook takes and launches a second, beside what others do in the same run."""
