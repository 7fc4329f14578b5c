-- Vega, the new system: the two were in use together for half a year, and do not agree on everything.
CREATE SCHEMA vega;
CREATE SCHEMA api;

CREATE TABLE vega.customer (id integer PRIMARY KEY, given_name text NOT NULL, family_name text NOT NULL, email text NOT NULL, country_code char(2) NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE vega.product (sku text PRIMARY KEY, name text NOT NULL, category text NOT NULL, price numeric(12, 4) NOT NULL);
CREATE TABLE vega.store (store_id smallint PRIMARY KEY, name text NOT NULL, opened_on date NOT NULL);
CREATE TABLE vega.orders (order_id bigint PRIMARY KEY, customer_id integer NOT NULL, store_id smallint NOT NULL, status text NOT NULL, ordered_at timestamptz NOT NULL, changed_at timestamptz NOT NULL);
CREATE TABLE vega.order_line (order_id bigint NOT NULL, line_no smallint NOT NULL, sku text NOT NULL, quantity integer NOT NULL, amount numeric(14, 4) NOT NULL, PRIMARY KEY (order_id, line_no));
CREATE TABLE vega.payment (payment_id uuid PRIMARY KEY, order_id bigint NOT NULL, amount numeric(14, 4) NOT NULL, paid_at timestamptz NOT NULL);

CREATE FUNCTION api.list_customers()
  RETURNS TABLE (id integer, given_name text, family_name text, email text, country_code text, created_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = vega
  AS 'SELECT id, given_name, family_name, email, country_code::text, created_at FROM customer';

CREATE FUNCTION api.list_products()
  RETURNS TABLE (sku text, name text, category text, price numeric)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = vega
  AS 'SELECT sku, name, category, price FROM product';

-- A procedure in the strict sense: its rows come by a cursor, and it says how many there are.
CREATE PROCEDURE api.list_stores(INOUT stores refcursor DEFAULT 'stores', INOUT store_count integer DEFAULT 0)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vega
  AS $$
BEGIN
  OPEN stores FOR SELECT store_id, name, opened_on FROM store;
  SELECT count(*) INTO store_count FROM store;
END $$;

-- Orders that changed in a window of time, and their lines: two result sets of one call.
CREATE FUNCTION api.order_changes(p_from timestamptz, p_to timestamptz)
  RETURNS SETOF refcursor
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = vega
  AS $$
DECLARE
  heads refcursor := 'heads';
  lines refcursor := 'lines';
BEGIN
  OPEN heads FOR
    SELECT order_id, customer_id, store_id, status, ordered_at, changed_at
    FROM orders WHERE changed_at >= p_from AND changed_at < p_to;
  RETURN NEXT heads;
  OPEN lines FOR
    SELECT order_id, line_no, sku, quantity, amount
    FROM order_line JOIN orders USING (order_id) WHERE changed_at >= p_from AND changed_at < p_to;
  RETURN NEXT lines;
END $$;

CREATE FUNCTION api.payments(p_from timestamptz, p_to timestamptz)
  RETURNS TABLE (payment_id uuid, order_id bigint, amount numeric, paid_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = vega
  AS 'SELECT payment_id, order_id, amount, paid_at FROM payment WHERE paid_at >= p_from AND paid_at < p_to';
