import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sluiceError } from '../../src/base/errors.ts'
import type { OpenProject } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command } from '../acceptance/project.ts'
import { arriving, scriptedServer } from '../doubles/scripted-server.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import { erpProject, execute, startErp } from './erp.ts'
import { project } from './project.ts'

type Findings = Awaited<ReturnType<OpenProject['doctor']>>

/** What was found of connections. */
const ofConnections = (findings: Findings): Findings => findings.filter(({ name }) => /^(Connection )?erp\b/.test(name))

describe('a scripted server', () => {
  const list = `[{ procedure: 'dbo.usp_sales', parameters: { year: 2025 }, columns: { id: 'integer', amount: 'decimal(10,2)' } }]`
  const year = { name: 'Year', serverType: 'int', type: 'integer', output: false, hasDefault: false } as const
  const id = arriving('id', 'integer', 'int')
  const amount = arriving('amount', 'decimal(10,2)')

  async function examine(server: ReturnType<typeof scriptedServer>, root = project(list)): Promise<Findings> {
    await using opened = await openProject(root, { connectorOf: server.connectorOf })
    return ofConnections(await opened.doctor())
  }

  test('looks everything up by one login, and calls nothing', async () => {
    const server = scriptedServer()
    server.described = [{ procedure: 'dbo.usp_sales', parameters: [year], columns: [id, amount] }]
    expect(await examine(server)).toMatchObject([
      {
        name: 'Connection erp',
        status: 'ok',
        detail: 'scripted, TLS with a verified certificate, 1 procedure looked up',
      },
    ])
    expect([server.calls, server.tried, server.open]).toEqual([[], 1, 0])
  })

  test('SR-04, SR-05: parameters and columns that differ are found before a run', async () => {
    const region = { ...year, name: 'region', serverType: 'nvarchar(2)' }
    const server = scriptedServer()
    server.described = [
      {
        procedure: 'dbo.usp_sales',
        parameters: [region],
        columns: [arriving('id', 'bigint'), arriving('total', 'text')],
      },
    ]
    const found = await examine(server)
    expect(found.map(({ status }) => status)).toEqual(['ok', 'fail', 'fail'])
    expect(found[1]).toMatchObject({ detail: 'it has no parameter year; it needs region (nvarchar(2))' })
    expect(found[2]?.detail).toMatch(/id retyped \(widening\), amount missing \(destructive\)/)
    expect(found[2]?.fix).toContain('sluice crawl erp dbo.usp_sales')
    server.described = []
    expect((await examine(server))[1]).toMatchObject({
      name: 'erp: dbo.usp_sales',
      status: 'fail',
      fix: expect.stringMatching(/GRANT EXECUTE/),
    })
  })

  test('SR-10: a login that was refused is not tried again within a minute', async () => {
    const server = scriptedServer()
    server.logins.push(sluiceError('Connection.LoginFailed', { connection: 'erp', user: 'u', why: 'wrong password' }))
    const root = project(list)
    expect(await examine(server, root)).toMatchObject([
      { status: 'fail', detail: expect.stringMatching(/refused the user "u"/) },
    ])
    expect(await examine(server, root)).toMatchObject([
      { status: 'fail', detail: expect.stringMatching(/not tried again within a minute/) },
    ])
    expect(server.tried).toBe(1)
  })

  test('SR-12: TLS that protects nobody is a warning, with what to do', async () => {
    const root = project(list)
    const config = join(root, 'sluice.config.ts')
    const text = readFileSync(config, 'utf8')
    const server = scriptedServer()
    server.described = [{ procedure: 'dbo.usp_sales', parameters: [year] }]
    for (const [tls, words] of [
      ["'unverified'", 'nobody checks the certificate'],
      ["'off'", 'no TLS to h'],
    ]) {
      writeFileSync(config, text.replace('database:', `tls: ${tls}, database:`))
      expect((await examine(server, root))[0]).toMatchObject({ status: 'warn', fix: expect.stringContaining('`ca`') })
      expect((await examine(server, root))[0]?.detail).toContain(words)
    }
  })
})

describe('a real PostgreSQL', () => {
  let server: PostgresServer
  const roots: string[] = []
  beforeAll(async () => {
    server = await startErp()
  })
  afterAll(() => server?.stop())
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true })
  })

  async function doctor(change: (root: string) => void = () => {}): Promise<{ code: number | null; found: Findings }> {
    const root = erpProject(server)
    roots.push(root)
    change(root)
    const { code, stdout } = await command(root, ['doctor', '--json'])
    return { code, found: ofConnections(JSON.parse(stdout)) }
  }

  test('a role that may only call has all that it needs', async () => {
    const { code, found } = await doctor()
    expect(found).toMatchObject([
      {
        status: 'ok',
        detail: expect.stringMatching(/^PostgreSQL 18\S* ?.*, no TLS, on this machine, 5 procedures looked up$/),
      },
    ])
    expect(code).toBe(0)
  })

  test('a right that was taken away, a wrong password, and nobody at the port', async () => {
    await execute(server, 'REVOKE EXECUTE ON FUNCTION erp.usp_regions() FROM reader, PUBLIC')
    const forbidden = await doctor()
    await execute(server, 'GRANT EXECUTE ON FUNCTION erp.usp_regions() TO reader')
    expect(forbidden).toMatchObject({
      code: 1,
      found: [{ status: 'ok' }, { name: 'erp: erp.usp_regions', status: 'fail' }],
    })
    const wrong = await doctor((root) => appendFileSync(join(root, '.env'), 'ERP_PASSWORD=not-this-one\n'))
    expect(wrong.found).toMatchObject([
      {
        status: 'fail',
        detail: expect.stringMatching(/refused the user "reader"/),
        fix: expect.stringMatching(/after a minute/),
      },
    ])
    expect(JSON.stringify(wrong)).not.toContain('not-this-one')
    const nobody = await doctor((root) => {
      const config = join(root, 'sluice.config.ts')
      writeFileSync(config, readFileSync(config, 'utf8').replace(`port: ${server.port}`, 'port: 1'))
    })
    expect(nobody.found).toMatchObject([
      { status: 'fail', detail: expect.stringMatching(/could not be opened at 127.0.0.1:1/) },
    ])
  })
})
