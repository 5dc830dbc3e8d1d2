"""Language models: the registry of slugs, the OpenAI-compatible client, the builtin ones."""
