import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { corpusSchema } from '../../test/sql/corpus.ts'
import type { SqlAnalysis } from './analysis.ts'
import { openSqlParser, type SqlParser } from './parser.ts'

let parser: SqlParser
beforeAll(async () => {
  parser = await openSqlParser()
})

const analyse = (sql: string, schema = corpusSchema): SqlAnalysis =>
  parser.analyse({ sql, file: 'stage/m.sql', table: 'stage.m' }, schema)
const lineage = (sql: string): Record<string, readonly string[]> =>
  Object.fromEntries(analyse(sql).columns.map(({ column, from }) => [column, from]))
const errors = (sql: string): string[] =>
  analyse(sql)
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ name }) => name)

describe('lineage', () => {
  test.each<[string, Record<string, readonly string[]>]>([
    ['select quantity * unit_price as r from raw.sales', { r: ['raw.sales.quantity', 'raw.sales.unit_price'] }],
    ['select 1 as one', { one: [] }],
    [
      'with x as (select * from raw.sales), y as (select * exclude (country) from x) select y.quantity + 1 as q from y',
      { q: ['raw.sales.quantity'] },
    ],
    [
      'select quantity q, q * unit_price as r, r + 1 as s from raw.sales',
      {
        q: ['raw.sales.quantity'],
        r: ['raw.sales.quantity', 'raw.sales.unit_price'],
        s: ['raw.sales.quantity', 'raw.sales.unit_price'],
      },
    ],
    [
      'select customer_id from raw.sales full join stage.customers using (customer_id)',
      { customer_id: ['raw.sales.customer_id', 'stage.customers.customer_id'] },
    ],
    [
      'select customer_id from raw.sales right join stage.customers using (customer_id)',
      { customer_id: ['stage.customers.customer_id'] },
    ],
    [
      'select a from (select quantity as a from raw.sales union all select id from raw.events)',
      {
        a: ['raw.events.id', 'raw.sales.quantity'],
      },
    ],
    ['select quantity as a from raw.sales except select id from raw.events', { a: ['raw.sales.quantity'] }],
    [
      'select country, name from raw.sales union by name select name, country from stage.customers',
      { country: ['raw.sales.country', 'stage.customers.country'], name: ['stage.customers.name'] },
    ],
    [
      'with recursive t(a, b) as (select quantity, country from raw.sales union all select a + 1, stock_code from t join raw.products on true) select b, a from t',
      { b: ['raw.products.stock_code', 'raw.sales.country'], a: ['raw.sales.quantity'] },
    ],
    [
      'with recursive t(a, b) as (select 1, quantity from raw.sales union all select b, a from t) select a, b from t',
      { a: ['raw.sales.quantity'], b: ['raw.sales.quantity'] },
    ],
    [
      'select row_number() over (partition by country order by invoice_date) as n from raw.sales',
      { n: ['raw.sales.country', 'raw.sales.invoice_date'] },
    ],
    [
      'select list_transform(tags, t -> t || stock_code) as l from raw.products',
      {
        l: ['raw.products.stock_code', 'raw.products.tags'],
      },
    ],
    [
      'select attrs.color as c, p.attrs.size as s from raw.products p',
      {
        c: ['raw.products.attrs'],
        s: ['raw.products.attrs'],
      },
    ],
    ['select unnest(attrs) from raw.products', { color: ['raw.products.attrs'], size: ['raw.products.attrs'] }],
    [
      'select (select max(value) from raw.events e where e.id = s.quantity) as m from raw.sales s',
      { m: ['raw.events.value'] },
    ],
    [
      'select exists (select 1 from raw.events) as e, country in (select kind from raw.events) as i from raw.sales',
      {
        e: [],
        i: ['raw.events.kind', 'raw.sales.country'],
      },
    ],
    [
      "select max(columns(['quantity', 'unit_price'])) from raw.sales",
      {
        quantity: ['raw.sales.quantity'],
        unit_price: ['raw.sales.unit_price'],
      },
    ],
    [
      'from raw.monthly unpivot (sales for month in (jan, feb))',
      {
        empid: ['raw.monthly.empid'],
        dept: ['raw.monthly.dept'],
        mar: ['raw.monthly.mar'],
        month: [],
        sales: ['raw.monthly.feb', 'raw.monthly.jan'],
      },
    ],
  ])('%s', (sql, expected) => {
    expect(lineage(sql)).toEqual(expected)
  })

  test('a table whose columns are not known yet is open: nothing false is said about it', () => {
    const analysis = analyse('select a, n.b, quantity from stage.new n, raw.sales', {
      ...corpusSchema,
      'stage.new': [],
    })
    expect(analysis.tables).toEqual(['raw.sales', 'stage.new'])
    expect(analysis.problems).toEqual([])
  })

  test('tables are those of the schema, never names of CTEs', () => {
    expect(analyse('with sales as (select * from raw.sales) select quantity from sales').tables).toEqual(['raw.sales'])
    expect(parser.tablesOf('select * from RAW.Sales join raw.events on true', Object.keys(corpusSchema))).toEqual([
      'raw.events',
      'raw.sales',
    ])
    expect(parser.tablesOf("select * like 'inv%' from raw.sales", Object.keys(corpusSchema))).toEqual(['raw.sales'])
  })
})

describe('problems', () => {
  test('all at once, each with its place, what is allowed and what was meant', () => {
    const { problems } = analyse(
      'select s.quantty, s.contry as c\nfrom raw.sales s\n  join raw.product p on p.stock_code = 1',
    )
    expect(problems.map(({ code, at, suggestion }) => [code, at?.line, at?.column, at?.length, suggestion])).toEqual([
      ['SLU2004', 1, 10, 7, 'quantity'],
      ['SLU2004', 1, 21, 6, 'country'],
      ['SLU2003', 3, 8, 11, 'raw.products'],
    ])
    expect(problems[0]?.message).toContain('in s. Columns: invoice_no, stock_code')
    expect(problems[2]?.message).toContain('Tables: raw.events, raw.monthly')
  })

  test('places count characters, not bytes or code points', () => {
    const { problems } = analyse('select \'é😀\' as "é😀",\r\n\tquantty as q from raw.sales')
    expect(problems.map(({ at }) => at)).toEqual([{ file: 'stage/m.sql', line: 2, column: 2, length: 7 }])
  })

  test('an unqualified table is a problem that names the layer', () => {
    const { problems } = analyse('select quantity from sales')
    expect(problems.map(({ name, suggestion }) => [name, suggestion])).toEqual([['Sql.UnknownTable', 'raw.sales']])
  })

  test('a wrong qualifier suggests the right one', () => {
    expect(analyse('select x.quantity from raw.sales s').problems[0]?.suggestion).toBe('s.quantity')
  })

  test('ambiguous, duplicate and unnamed columns', () => {
    const { problems } = analyse('select country from raw.sales s, stage.customers c')
    expect(problems[0]?.message).toBe('Column "country" is ambiguous: s and c have one each.')
    expect(errors('select country, upper(country) as Country from raw.sales')).toEqual(['Sql.DuplicateColumn'])
    expect(errors('select * from raw.sales s join stage.customers c on true')).toContain('Sql.DuplicateColumn')
    expect(errors('select count(*), quantity + 1 from raw.sales group by all')).toEqual([
      'Sql.UnnamedColumn',
      'Sql.UnnamedColumn',
    ])
  })

  test.each([
    ["select * from read_csv('x.csv')", 'read_csv(…)'],
    ["select * from 'data/*.parquet'", 'the file data/*.parquet'],
    ["select * from raw.sales where country in (select country from read_parquet('x'))", 'read_parquet(…)'],
    ["select * from glob('*')", 'glob(…)'],
    ["select * from query('select 1')", 'query(…)'],
    ['select * from duckdb_tables()', 'duckdb_tables(…)'],
    ["select * like 'a%' from read_json('x')", 'read_json(…)'],
    ["select * from sqlite_scan('a', 'b')", 'sqlite_scan(…)'],
    ['select * from anything_new(1)', 'anything_new(…)'],
    ["select content from read_text('/etc/passwd')", 'read_text(…)'],
  ])('CO-10: %s reads outside', (sql, what) => {
    const found = analyse(sql).problems.filter(({ name }) => name === 'Sql.ReadsOutside')
    expect(found).toHaveLength(1)
    expect(found[0]?.message).toContain(what)
  })

  test.each([
    ['', 'is empty'],
    ['-- nothing', 'is empty'],
    ['select 1 as a; select 2 as b', 'has several statements'],
    ['select 1 as a; drop table x', 'has several statements'],
    ["attach 'x' as y", 'begins with ATTACH'],
    ["copy raw.sales to 'x'", 'begins with COPY'],
    ['install httpfs', 'begins with INSTALL'],
    ['load httpfs', 'begins with LOAD'],
    ['pragma version', 'begins with PRAGMA'],
    ['create table x as select 1', 'begins with CREATE'],
    ['insert into raw.sales select 1', 'begins with INSERT'],
    ['call foo()', 'begins with CALL'],
    ['with x as (insert into raw.sales values (1) returning *) select * from x', 'changes a table'],
  ])('not one SELECT: %s', (sql, found) => {
    const [first] = analyse(sql).problems.filter(({ severity }) => severity === 'error')
    expect(first?.name).toBe('Sql.NotOneSelect')
    expect(first?.message).toContain(found)
  })

  test('one statement may end with semicolons, and texts and comments may hold them', () => {
    expect(errors("select ';' as a /* ; */ ;; -- ;")).toEqual([])
  })

  test('template syntax is explained', () => {
    const { problems } = analyse("select *\nfrom {{ ref('sales') }}")
    expect(problems).toMatchObject([{ name: 'Sql.Template', at: { line: 2, column: 6, length: 18 } }])
    expect(errors('{% if x %} select 1 as a {% endif %}')).toEqual(['Sql.Template'])
    expect(errors("select {'a': 1} as s, {'a': {'b': 1}} as t")).toEqual([])
  })

  test.each([
    ["select 'abc as x", 'a text begins here', 8],
    ['select "abc', 'a quoted name begins here', 8],
    ['select 1 /* x', 'a comment begins here', 10],
    ['select (1 as x', '"(" is never closed', 8],
    ['select 1) as x', '")" closes nothing', 9],
    ['select [1) as x', '")" stands where "]" is expected', 10],
  ])('syntax: %s', (sql, message, column) => {
    const [first] = analyse(sql).problems
    expect(first).toMatchObject({ name: 'Sql.Syntax', severity: 'error', at: { line: 1, column } })
    expect(first?.message).toContain(message)
  })

  test('what the parser cannot read is a warning with its place: DuckDB decides', () => {
    const { problems, tables } = analyse('select quantity\nfrom raw.sales where = 3')
    expect(problems).toMatchObject([{ name: 'Sql.LineageUnknown', severity: 'warning', at: { line: 2 } }])
    expect(tables).toEqual(['raw.sales'])
  })
})

describe('WH-16: nondeterminism', () => {
  test.each([
    ['select now() as n', ['now']],
    ['select current_date as d, current_timestamp as t', ['current_date', 'current_timestamp']],
    ['select random() as r, uuid() as u, gen_random_uuid() as g', ['gen_random_uuid', 'random', 'uuid']],
    ["select nextval('s') as n", ['nextval']],
    ['select quantity from raw.sales limit 3', ['LIMIT without ORDER BY']],
    ['select quantity from raw.sales order by quantity limit 3', []],
    ['select (select country from raw.sales limit 1) as c', ['LIMIT without ORDER BY']],
    ['(select quantity from raw.sales) limit 1', ['LIMIT without ORDER BY']],
    ["select string_agg(country, ',') as s from raw.sales", ['string_agg without ORDER BY']],
    ["select string_agg(country, ',' order by country) as s from raw.sales", []],
    [
      'select list(country) as s, array_agg(country) as a from raw.sales',
      ['array_agg without ORDER BY', 'list without ORDER BY'],
    ],
    [
      'select first(country) as s, any_value(country) as a from raw.sales',
      ['any_value without ORDER BY', 'first without ORDER BY'],
    ],
    ['select first_value(country) over (order by invoice_no) as s from raw.sales', []],
    ['select row_number() over (partition by country) as s from raw.sales', ['row_number without ORDER BY']],
    ['select row_number() over (order by country) as s from raw.sales', []],
    ['select list(country) over (order by invoice_no) as s from raw.sales', []],
    ['select distinct on (country) country, quantity from raw.sales', ['DISTINCT ON without ORDER BY']],
    ['select quantity from raw.sales using sample 10%', ['sample']],
    ['select quantity from raw.sales tablesample 10%', ['sample']],
    ['select s.quantity from raw.sales s positional join raw.events', ['positional join']],
    ["select 'now()' as n, invoice_no as random, sum(quantity) as uuid from raw.sales group by all", []],
    ['select s.country as current_date from raw.sales s', []],
  ])('%s', (sql, expected) => {
    const analysis = analyse(sql)
    expect(analysis.nondeterministic).toEqual(expected)
    const warned = analysis.problems.filter(({ name }) => name === 'Sql.Nondeterministic')
    expect(warned.length).toBe(expected.length)
    expect(analysis.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})

describe('hostile input', () => {
  test.each([
    ['parentheses', `select ${'('.repeat(100_000)}1${')'.repeat(100_000)} as x`],
    ['subqueries', `select * from ${'(select * from '.repeat(5_000)}raw.sales${')'.repeat(5_000)}`],
    ['a sum', `select ${'1 + '.repeat(20_000)}1 as x from raw.sales`],
    ['NOT', `select ${'not '.repeat(50_000)}true as x`],
    ['CASE', `select ${'case when true then '.repeat(5_000)}1${' end'.repeat(5_000)} as x`],
    ['a megabyte of text', `select '${'x'.repeat(1_000_000)}' as x`],
    ['a megabyte of words', 'x '.repeat(500_000)],
    ['a megabyte of comments', `${'/*'.repeat(300_000)}${'*/'.repeat(300_000)}select 1 as x`],
    ['quotation marks', `select ${'"'.repeat(100_001)}`],
    ['dollars', '$a$'.repeat(100_001)],
    ['a lone surrogate', "select '\ud800' as x"],
    ['a zero byte', 'select \0 as x'],
  ])('%s', (_what, sql) => {
    expect(() => analyse(sql)).not.toThrow()
    expect(lineage('select quantity as q from raw.sales')).toEqual({ q: ['raw.sales.quantity'] })
  })

  test('any sequence of SQL words is answered, and each problem has a place', () => {
    const words = fc.constantFrom(
      ...'select from raw.sales where ( ) , * group by order quantity with x as union all join using on " \' -- [ ] { } :: . ; 1 lateral unnest( over values pivot -> exclude'.split(
        ' ',
      ),
    )
    fc.assert(
      fc.property(fc.array(words, { maxLength: 25 }), (parts) => {
        const { problems } = analyse(parts.join(' '))
        for (const { at } of problems) {
          expect(at?.line).toBeGreaterThan(0)
          expect(at?.column).toBeGreaterThan(0)
        }
      }),
      { numRuns: 300 },
    )
  })
})
