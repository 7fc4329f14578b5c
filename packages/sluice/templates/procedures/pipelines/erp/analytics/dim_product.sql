-- Vega's products, with what only Orion knows.
SELECT
  vega.sku,
  vega.name,
  vega.category,
  vega.price,
  orion.list_price AS orion_price,
  coalesce(orion.discontinued, FALSE) AS discontinued
FROM stage.vega_products AS vega
LEFT JOIN stage.orion_products AS orion ON orion.sku = vega.sku
