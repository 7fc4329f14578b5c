/** What the catalog says of a target: what it is, and what somebody else has made of it. */
import type { SqlRunner } from '../dialect.ts'
import type { ForeignKey } from '../foreign-keys.ts'

/** Schema and name of a table. */
type Place = readonly [schema: string, name: string]

const kinds: { readonly [relkind: string]: string } = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
}

/** What a name stands for; undefined where there is nothing. */
export async function kindOf(sql: SqlRunner, place: Place): Promise<string | undefined> {
  const [row] = await sql.all<{ relkind: string }>(
    `SELECT c.relkind::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [...place],
  )
  return row === undefined ? undefined : (kinds[row.relkind] ?? `relation of the kind ${row.relkind}`)
}

/** Views over a column hold its type fast. */
export async function blockersOf(sql: SqlRunner, place: Place, columns: readonly string[]): Promise<readonly string[]> {
  const rows = await sql.all<{ blocker: string }>(
    `SELECT DISTINCT CASE v.relkind WHEN 'm' THEN 'the materialized view ' ELSE 'the view ' END || v.oid::regclass AS blocker
     FROM pg_catalog.pg_depend AS d
     JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND c.oid = d.refobjid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
     JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
     JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.oid <> c.oid
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3) ORDER BY 1`,
    [...place, [...columns]],
  )
  return rows.map(({ blocker }) => blocker)
}

const onDeletes: { readonly [letter: string]: ForeignKey['onDelete'] } = {
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
}

/** Each once: a partition has those of its root again. */
export async function foreignKeys(sql: SqlRunner): Promise<readonly ForeignKey[]> {
  const rows = await sql.all<{ name: string; place: string; named: string; letter: string }>(
    `SELECT conname AS name, tn.nspname || '.' || t.relname AS place, rn.nspname || '.' || r.relname AS named, confdeltype::text AS letter
     FROM pg_catalog.pg_constraint AS k
     JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
     JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2`,
  )
  return rows.map(({ name, place, named, letter }) => ({
    ...{ name, table: place, references: named, onDelete: onDeletes[letter] ?? 'stay' },
  }))
}

/** Triggers and rules of a table and its partitions. */
export async function meddlersOf(sql: SqlRunner, place: Place): Promise<readonly string[]> {
  const rows = await sql.all<{ meddler: string }>(
    `WITH own AS (
       SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2),
     parts AS (SELECT oid FROM own UNION SELECT p.relid FROM own, pg_catalog.pg_partition_tree(own.oid) AS p)
     SELECT DISTINCT 'the trigger ' || quote_ident(tgname) AS meddler FROM pg_catalog.pg_trigger JOIN parts ON parts.oid = tgrelid
       WHERE NOT tgisinternal AND tgenabled <> 'D'
     UNION SELECT 'the rule ' || quote_ident(rulename) FROM pg_catalog.pg_rewrite JOIN parts ON parts.oid = ev_class WHERE ev_enabled <> 'D'
     ORDER BY 1`,
    [...place],
  )
  return rows.map(({ meddler }) => meddler)
}
