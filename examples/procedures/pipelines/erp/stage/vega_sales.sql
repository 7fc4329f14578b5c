-- One row for each line of an order that was not cancelled, on the day in Berlin, where the books are kept.
SELECT
  orders.order_id,
  lines.line_no,
  orders.customer_id,
  orders.store_id,
  lines.sku,
  lines.quantity,
  lines.amount,
  CAST(orders.ordered_at AT TIME ZONE 'Europe/Berlin' AS DATE) AS sold_on
FROM raw.vega_orders AS orders
JOIN raw.vega_order_lines AS lines ON lines.order_id = orders.order_id
WHERE orders.status = 'shipped'
