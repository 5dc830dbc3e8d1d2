"""The API as documents, made from what serves it: OpenAPI, AsyncAPI, a page to read."""
