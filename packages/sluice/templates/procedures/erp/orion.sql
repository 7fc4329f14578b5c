-- Orion, the old system: retired, but its history is only here. Its reports are all that anybody may call.
CREATE SCHEMA orion;
CREATE SCHEMA reports;

CREATE TABLE orion.customer (customer_no text PRIMARY KEY, full_name text NOT NULL, email text, country text NOT NULL, since date NOT NULL);
CREATE TABLE orion.product (sku text PRIMARY KEY, description text NOT NULL, list_price numeric(10, 2) NOT NULL, discontinued boolean NOT NULL);
CREATE TABLE orion.sale (sale_no bigint PRIMARY KEY, customer_no text NOT NULL, sku text NOT NULL, quantity integer NOT NULL, amount numeric(12, 2) NOT NULL, sold_on date NOT NULL);

CREATE FUNCTION reports.usp_customers()
  RETURNS TABLE (customer_no text, full_name text, email text, country text, since date)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = orion
  AS 'SELECT customer_no, full_name, email, country, since FROM customer';

CREATE FUNCTION reports.usp_products()
  RETURNS TABLE (sku text, description text, list_price numeric, discontinued boolean)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = orion
  AS 'SELECT sku, description, list_price, discontinued FROM product';

-- Which years have sales: what the calls of usp_sales are mapped over.
CREATE FUNCTION reports.usp_years()
  RETURNS TABLE (year integer)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = orion
  AS 'SELECT DISTINCT extract(year FROM sold_on)::integer FROM sale ORDER BY 1';

CREATE FUNCTION reports.usp_sales(p_year integer)
  RETURNS TABLE (sale_no bigint, customer_no text, sku text, quantity integer, amount numeric, sold_on date)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = orion
  AS 'SELECT sale_no, customer_no, sku, quantity, amount, sold_on FROM sale WHERE extract(year FROM sold_on) = p_year';
