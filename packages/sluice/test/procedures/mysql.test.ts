/** The command line against a real MariaDB, as somebody who may only call. */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { command, makeProject, query } from '../acceptance/project.ts'
import { type MariaDbServer, missingMariaDb, startMariaDb } from '../servers/mariadb.ts'

const statements = [
  `CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(50) NULL, balance DECIMAL(18,4) NOT NULL, seen DATETIME(6) NOT NULL)`,
  `INSERT INTO customers VALUES (1, 'Ünal 😀', 12345678901234.5678, '2024-02-29 23:59:59.999999'), (2, NULL, -0.0001, '2024-03-31 02:30:00')`,
  `CREATE PROCEDURE usp_customers() SELECT id, name, balance, seen FROM customers ORDER BY id`,
  `CREATE PROCEDURE usp_since(IN p_from DATETIME(6)) SELECT id, balance FROM customers WHERE seen >= p_from`,
  `CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader-s3cret'`,
  `GRANT EXECUTE ON PROCEDURE erp.usp_customers TO reader@'127.0.0.1'`,
  `GRANT EXECUTE ON PROCEDURE erp.usp_since TO reader@'127.0.0.1'`,
]

const missing = await missingMariaDb()

if (missing !== undefined) test.skip(`missed ${missing}`, () => undefined)

describe.runIf(missing === undefined)('a real MariaDB', () => {
  let server: MariaDbServer
  const roots: string[] = []
  beforeAll(async () => {
    server = await startMariaDb()
    await execute(...statements)
  })
  afterAll(() => server?.stop())
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true })
  })

  async function execute(...sql: readonly string[]): Promise<void> {
    const client = await server.superuserClient()
    for (const one of sql) await client.query(one)
    await client.end()
  }

  function project(sources: string): string {
    const root = makeProject({
      'package.json': '{ "private": true, "type": "module" }',
      'sluice.config.ts': `import { defineConfig, mysql, secret } from 'sluice'
export default defineConfig({ name: 'shop', connections: { shop: mysql({ host: '${server.host}', port: ${server.port}, database: 'erp', user: 'reader', password: secret('SHOP_PASSWORD'), tls: 'off' }) } })\n`,
      '.env': 'SHOP_PASSWORD=reader-s3cret\n',
      'pipelines/erp/pipeline.ts': '',
    })
    roots.push(root)
    return withSources(root, sources)
  }

  function withSources(root: string, sources: string): string {
    writeFileSync(
      join(root, 'pipelines/erp/pipeline.ts'),
      `import { parameter, pipeline, procedures } from 'sluice'\nexport default pipeline('erp', { sources: { ${sources} } })\n`,
    )
    return root
  }

  async function doctor(root: string) {
    const { code, stdout } = await command(root, ['doctor', '--json'])
    const found = JSON.parse(stdout) as readonly { name: string; status: string; detail: string; fix?: string }[]
    return { code, found: found.filter(({ name }) => /^(Connection )?shop\b/.test(name)), text: stdout }
  }

  test('SR-11: what a crawl proposes, by calls that were asked for, is pasted, checks, runs, and holds every digit', async () => {
    const root = project('')
    const catalog = await command(root, ['crawl', 'shop'])
    expect(catalog.code, catalog.stderr).toBe(0)
    expect(catalog.stderr).toContain('MariaDB')
    expect(catalog.stdout).toContain('usp_customers')
    const customers = await command(root, ['crawl', 'shop', 'usp_customers', '--call'])
    expect(customers.code, customers.stderr).toBe(0)
    const since = await command(root, ['crawl', 'shop', 'usp_since', '--call', '--parameter', 'p_from=2024-03-01'])
    expect(since.code, since.stderr).toBe(0)
    withSources(root, customers.stdout + since.stdout)
    const checked = await command(root, ['check', '--strict'])
    expect(checked.code, checked.stdout + checked.stderr + customers.stdout + since.stdout).toBe(0)
    const ran = await command(root, ['run'])
    expect(ran.code, ran.stdout + ran.stderr).toBe(0)
    expect(await query(root, 'SELECT COLUMNS(*)::VARCHAR FROM raw.customers ORDER BY 1')).toEqual([
      { id: '1', name: 'Ünal 😀', balance: '12345678901234.5678', seen: '2024-02-29 23:59:59.999999' },
      { id: '2', name: null, balance: '-0.0001', seen: '2024-03-31 02:30:00' },
    ])
    expect(await query(root, 'SELECT COLUMNS(*)::VARCHAR FROM raw.since')).toEqual([{ id: '2', balance: '-0.0001' }])
  })

  const customers = `...procedures('shop', [{ procedure: 'usp_customers', columns: { id: 'integer', balance: 'decimal(18,4)' } }])`

  test('SR-10: doctor sees a role that may call, a right that was taken away, and a wrong password', async () => {
    const well = await doctor(project(customers))
    expect(well.found).toMatchObject([
      { status: 'ok', detail: expect.stringMatching(/^MariaDB \S+, no TLS, on this machine, 1 procedure looked up$/) },
    ])
    expect(well.code).toBe(0)
    await execute(`REVOKE EXECUTE ON PROCEDURE erp.usp_customers FROM reader@'127.0.0.1'`)
    const forbidden = await doctor(project(customers))
    await execute(`GRANT EXECUTE ON PROCEDURE erp.usp_customers TO reader@'127.0.0.1'`)
    expect(forbidden).toMatchObject({
      code: 1,
      found: [{ status: 'ok' }, { name: 'shop: usp_customers', status: 'fail' }],
    })
    const root = project(customers)
    appendFileSync(join(root, '.env'), 'SHOP_PASSWORD=not-this-one\n')
    const wrong = await doctor(root)
    expect(wrong.found).toMatchObject([{ status: 'fail', detail: expect.stringMatching(/refused the user "reader"/) }])
    expect(wrong.text).not.toContain('not-this-one')
  })

  test('SR-10: a run without EXECUTE names the GRANT, which gives the right; it is tried once', async () => {
    await execute(`REVOKE EXECUTE ON PROCEDURE erp.usp_customers FROM reader@'127.0.0.1'`)
    const root = project(customers.replace('columns', "evolve: 'additive', columns"))
    const { code, stdout, stderr } = await command(root, ['run'])
    const grant = "GRANT EXECUTE ON PROCEDURE `erp`.`usp_customers` TO 'reader'@'127.0.0.1'"
    await execute(grant)
    expect(code).toBe(3)
    expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toContain(grant)
    const again = await command(root, ['run'])
    expect(again.code, again.stdout + again.stderr).toBe(0)
    expect((await query(root, 'SELECT max(attempt)::INTEGER AS n FROM sluice.extractions'))[0]).toEqual({ n: 1 })
  })

  test('SR-04: a contract that differs is told by the run, and makes no version', async () => {
    const root = project(
      `...procedures('shop', [{ procedure: 'usp_customers', columns: { id: 'integer', name: 'text' } }])`,
    )
    const { code, stdout, stderr } = await command(root, ['run'])
    expect(code).toBe(1)
    expect(stdout + stderr).toMatch(/balance/)
  })
})
