"use strict";

// Nothing leaves the shop: no validator, no fonts, no analytics.
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "none",
  tryItOutEnabled: true,
});
