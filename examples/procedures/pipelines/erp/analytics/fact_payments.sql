SELECT
  CAST(strftime(paid_at AT TIME ZONE 'Europe/Berlin', '%Y%m%d') AS INTEGER) AS date_key,
  payment_id,
  order_id,
  amount,
  paid_at
FROM stage.payments
