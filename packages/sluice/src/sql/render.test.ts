import { beforeAll, describe, expect, test } from 'vitest'
import { accepted, corpusSchema } from '../../test/sql/corpus.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import { openSqlParser, type SqlParser } from './parser.ts'

let parser: SqlParser
beforeAll(async () => {
  parser = await openSqlParser()
})

const targets = ['spark', 'redshift', 'postgres'] as const
const render = (sql: string, target: 'duckdb' | (typeof targets)[number]) =>
  parser.renderSql({ sql, file: 'm.sql', table: 'stage.m' }, target)

const portable = [
  'select country, quantity from raw.sales',
  'select s.* from raw.sales s',
  'select country, sum(quantity) as n, count(*) as c, count(distinct customer_id) as d, min(unit_price) as lo, max(unit_price) as hi from raw.sales group by country having count(*) > 1',
  "select upper(country) as u, lower(country) as l, trim(country) as t, coalesce(description, '?') as d, nullif(country, 'UK') as n, abs(quantity) as a from raw.sales",
  "select quantity * 2 + 1 - quantity as q, country || '-' || stock_code as k from raw.sales where quantity between 1 and 5 and not (country = 'UK' or country in ('FR', 'DE')) and description is not null",
  "select case when quantity > 1 then 'many' else 'one' end as c from raw.sales where country like 'U%'",
  'select s.quantity, c.name from raw.sales s left join stage.customers c on s.customer_id = c.customer_id',
  'with x as (select country, quantity from raw.sales where quantity <> 2) select x.country, x.quantity from x',
  'select country from raw.sales union all select country from stage.customers',
  'select invoice_no, row_number() over (partition by country order by quantity desc nulls last, stock_code nulls first) as n from raw.sales',
  "select quantity from raw.sales where exists (select customer_id from stage.customers where country = 'UK')",
  'select q.n from (select sum(quantity) as n from raw.sales) q',
]

describe('rendering for another engine', () => {
  test('for DuckDB it is the text itself', () => {
    for (const sql of accepted) expect(render(sql, 'duckdb')).toEqual({ sql })
  })

  test('what is portable is rendered, and what is rendered gives the same rows (as far as DuckDB reads it)', async () => {
    await using session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
    await session.run('CREATE SCHEMA raw; CREATE SCHEMA stage')
    for (const table of ['raw.sales', 'stage.customers']) {
      await session.run(
        `CREATE TABLE ${table} (${corpusSchema[table]!.map(({ name, type }) => `${name} ${type}`).join(', ')})`,
      )
    }
    await session.run(
      `INSERT INTO raw.sales SELECT i, 's' || i % 3, nullif('d' || i % 4, 'd1'), i % 7 - 2, TIMESTAMP '2020-01-01' + INTERVAL 1 HOUR * i, i / 8, 'c' || i % 5, ['UK', 'FR', 'DE', NULL][i % 4 + 1] FROM range(60) t(i)`,
    )
    await session.run(`INSERT INTO stage.customers SELECT 'c' || i, 'n' || i, 'UK', NULL FROM range(4) t(i)`)
    const rows = async (sql: string): Promise<string[]> =>
      (await session.all(sql)).map((row) => JSON.stringify(row)).sort()
    for (const sql of portable) {
      for (const target of targets) {
        const rendered = render(sql, target)
        expect(rendered, `${target}: ${sql}`).toHaveProperty('sql')
        // Spark quotes by backticks; none of these names needs a quote.
        const text = (rendered as { sql: string }).sql
        expect(await rows(text), `${target}: ${text}`).toEqual(await rows(sql))
      }
    }
  })

  test.each([
    ['select quantity / 2 as q from raw.sales', 'DIV'],
    ['select avg(quantity) as q from raw.sales', 'AVG'],
    ['select quantity::varchar as q from raw.sales', 'CAST'],
    ['select * exclude (country) from raw.sales', '* EXCLUDE'],
    ['select quantity from raw.sales qualify row_number() over (order by quantity nulls last) = 1', 'QUALIFY'],
    ['select quantity from raw.sales order by quantity', 'ORDER BY without NULLS'],
    ['select row_number() over (order by quantity) as n from raw.sales', 'ORDER BY without NULLS'],
    ['select quantity from raw.sales limit 1', 'LIMIT'],
    ["select '\\n' as n from raw.sales", 'backslash'],
    ['select quantity as q, q + 1 as r from raw.sales', 'alias "q"'],
    ['select quantity as q from raw.sales where q > 1', 'alias "q"'],
    ['select list_transform(tags, t -> upper(t)) as l from raw.products', 'list_transform(…)'],
    ["select strftime(invoice_date, '%Y') as y from raw.sales", 'strftime'],
    ['select s.quantity from raw.sales s semi join stage.customers c on s.customer_id = c.customer_id', 'Semi JOIN'],
    ['select s.quantity from raw.sales s natural join stage.customers c', 'Natural JOIN'],
    ['select sum(quantity) filter (where quantity > 1) as n from raw.sales', 'FILTER'],
    ['select last_value(quantity ignore nulls) over (order by quantity nulls last) as n from raw.sales', 'LAST VALUE'],
    ['select p.attrs.color as c from raw.products p', 'DOT'],
    ['select country, sum(quantity) as n from raw.sales group by all', 'GROUP BY ALL'],
    ['from raw.monthly unpivot (sales for month in (jan, feb))', 'UNPIVOT'],
    ['select country from raw.sales union by name select country from stage.customers', 'UNION BY NAME'],
    ['select sum(quantity) over (order by quantity nulls last rows 1 preceding) as n from raw.sales', 'a window frame'],
    ['select unnest([1, 2]) as n from raw.sales', 'unnest'],
  ])('refused: %s', (sql, construct) => {
    for (const target of targets) {
      const rendered = render(sql, target)
      expect(rendered).toHaveProperty('problems')
      const { problems } = rendered as { problems: readonly { message: string; name: string }[] }
      expect(problems.map(({ name }) => name)).toContain('Sql.NotPortable')
      expect(problems.map(({ message }) => message.toLowerCase()).join('\n')).toContain(construct.toLowerCase())
    }
  })
})

describe('formatting', () => {
  test('never changes what DuckDB makes of a query, nor loses a comment', async () => {
    expect(parser.formatSql('select a,b from raw.sales where x=1')).toMatch(
      /^SELECT\n {2}a,\n {2}b\nFROM raw\.sales\nWHERE/,
    )
    expect(parser.formatSql('select a -- why\nfrom raw.sales')).toBe('select a -- why\nfrom raw.sales')
    for (const sql of accepted.filter((_sql, at) => at % 4 === 0)) {
      const formatted = parser.formatSql(sql)
      const analyse = (text: string) => parser.analyse({ sql: text, file: 'm.sql', table: 'a.b' }, corpusSchema).columns
      expect(analyse(formatted)).toEqual(analyse(sql))
    }
  })
})
