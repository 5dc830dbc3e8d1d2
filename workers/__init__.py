"""The pool: workers that invoke AI participants for the runs that mentions opened."""
