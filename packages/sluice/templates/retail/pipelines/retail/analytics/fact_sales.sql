-- One row for each line of an invoice.
SELECT
  CAST(strftime(invoice_date, '%Y%m%d') AS INTEGER) AS date_key,
  invoice_no,
  line_no,
  stock_code,
  customer_id,
  quantity,
  unit_price,
  quantity * unit_price AS amount
FROM stage.sales
