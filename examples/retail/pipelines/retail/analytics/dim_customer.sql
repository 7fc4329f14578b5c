-- One row for each customer, with the country of the newest order.
WITH orders AS (
  SELECT
    customer_id,
    country,
    invoice_date,
    row_number() OVER (PARTITION BY customer_id ORDER BY file_date DESC, line_no DESC) AS newest
  FROM stage.sales
)
SELECT
  customer_id,
  max(CASE WHEN newest = 1 THEN country END) AS country,
  min(invoice_date) AS first_order_at,
  max(invoice_date) AS last_order_at
FROM orders
GROUP BY customer_id
