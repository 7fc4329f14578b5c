-- What came and what went, for each store, product and day.
SELECT
  moved_on,
  upper(trim(store)) AS store,
  trim(product) AS product,
  sum(CASE WHEN kind = 'delivery' THEN quantity ELSE 0 END) AS delivered,
  sum(CASE WHEN kind = 'sale' THEN quantity ELSE 0 END) AS quantity
FROM bronze.movements
GROUP BY moved_on, upper(trim(store)), trim(product)
