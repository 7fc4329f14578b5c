-- One row for each line of an order. Lines know products by their SKU of today, dimensions by their id.
SELECT
  CAST(strftime(orders.ordered_at AT TIME ZONE 'UTC', '%Y%m%d') AS INTEGER) AS date_key,
  items.order_id,
  items.line_no,
  orders.customer_id,
  products.seller_id,
  products.product_id,
  items.quantity,
  items.unit_price,
  CAST(items.quantity * items.unit_price AS DECIMAL(14, 2)) AS amount,
  orders.ordered_at
FROM stage.items AS items
JOIN stage.orders AS orders ON orders.order_id = items.order_id
LEFT JOIN stage.products AS products ON products.sku = items.sku
