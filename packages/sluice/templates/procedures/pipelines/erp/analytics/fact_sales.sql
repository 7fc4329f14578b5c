-- Three years of sales from both systems, at the grain of a line.
SELECT
  CAST(strftime(sales.sold_on, '%Y%m%d') AS INTEGER) AS date_key,
  year(sales.sold_on) AS year,
  'orion' AS system,
  sales.sale_no,
  1 AS line_no,
  customers.customer_key,
  sales.sku,
  0 AS store_key,
  sales.quantity,
  CAST(sales.amount AS DECIMAL(14, 4)) AS amount
FROM stage.orion_sales AS sales
JOIN analytics.dim_customer AS customers ON customers.orion_no = sales.customer_no
UNION ALL
SELECT
  CAST(strftime(sales.sold_on, '%Y%m%d') AS INTEGER),
  year(sales.sold_on),
  'vega',
  sales.order_id,
  sales.line_no,
  customers.customer_key,
  sales.sku,
  sales.store_id,
  sales.quantity,
  sales.amount
FROM stage.vega_sales AS sales
JOIN analytics.dim_customer AS customers ON customers.vega_id = sales.customer_id
