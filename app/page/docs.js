// Relative, so that it works behind a proxy that adds a path.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
});
