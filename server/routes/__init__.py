"""Route handlers, the page, the OpenAPI document."""
