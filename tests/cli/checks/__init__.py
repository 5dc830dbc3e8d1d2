"""What `roomhub doctor` looks at."""
