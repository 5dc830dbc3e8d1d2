"""Redis (or Valkey): fan-out, wake-ups, drafts and tickets. Never the truth."""
