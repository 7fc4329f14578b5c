/**
 * Every task of every example in a process of its own, with a reference as its only input: an empty environment but PATH, HOME and the connections'
 * variables, another working folder, no channel to its parent. The tables are those that one process makes.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { command, packageRoot } from '../acceptance/project.ts'
import { inProcesses, nameOf } from './processes.ts'

const parent = mkdtempSync(join(tmpdir(), 'sluice-tasks-'))
const stops: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const stop of stops) await stop()
  rmSync(parent, { recursive: true, force: true })
})

/** What its tables and targets hold, by name. */
async function tablesOf(root: string): Promise<Record<string, string>> {
  await using project = await openProject(root)
  await using session = await project[readContext].openRead()
  const found: Record<string, string> = {}
  const targets = project.definition.pipelines.flatMap(({ loads }) => Object.keys(loads))
  for (const name of [
    ...(await project[readContext].tables()).map(({ table }) => table),
    ...targets.map((one) => `warehouse.${one}`),
  ]) {
    const [row] = await session.all<{ n: string; h: string }>(
      `SELECT count(*) AS n, bit_xor(hash(t::VARCHAR))::VARCHAR AS h FROM ${name} t`,
    )
    found[name] = `${row?.n} rows, ${row?.h}`
  }
  return found
}

/** Runs a project with its tasks in processes of their own. */
async function runApart(
  root: string,
  env: Record<string, string> = {},
): Promise<{ status: string; performed: string[] }> {
  const performed: string[] = []
  await using project = await openProject(root)
  const { summary } = await project.run({
    invoke: inProcesses(root, { env, onStart: (payload) => performed.push(nameOf(payload)) }),
  })
  return { status: summary.status, performed }
}

const steps = ['compact', 'finish', 'notify', 'clean']

describe.each(['retail', 'file-drop', 'medallion'])('the template %s', (template) => {
  test('runs task by task in processes of their own, to the same tables', async () => {
    const roots = [join(parent, template), join(parent, `${template}-apart`)] as const
    const made = await command(parent, ['init', template, '--template', template])
    expect(made.code, made.stderr).toBe(0)
    cpSync(roots[0], roots[1], { recursive: true })
    const together = await command(roots[0], ['run'])
    const { status, performed } = await runApart(roots[1])
    expect(status).toBe(together.code === 0 ? 'succeeded' : 'failed')
    await using project = await openProject(roots[1])
    const ids = (await project.plan()).plan.tasks.map(({ id }) => id)
    // Retention is for a run that has succeeded.
    const expected = [...ids, ...steps.filter((step) => status === 'succeeded' || step !== 'clean')]
    expect([...performed].sort()).toEqual(expected.sort())
    const tables = await tablesOf(roots[0])
    expect(Object.keys(tables).length).toBeGreaterThan(2)
    expect(await tablesOf(roots[1])).toEqual(tables)
    // Nothing is left to do, in whatever process.
    expect((await project.run()).summary.tasks).toMatchObject({ succeeded: 0, failed: 0, skipped: 0 })
  })
})

/** A template over servers that npm brought along. */
async function overServers(template: string, file: string): Promise<{ root: string; module: Record<string, unknown> }> {
  const root = join(parent, template)
  const made = await command(parent, ['init', template, '--template', template])
  expect(made.code, made.stderr).toBe(0)
  symlinkSync(resolve(packageRoot, '../../node_modules'), join(root, 'node_modules'))
  const module = (await import(/* @vite-ignore */ pathToFileURL(join(root, file)).href)) as Record<string, unknown>
  stops.push(async () => rmSync(module['home'] as string, { recursive: true, force: true }))
  return { root, module }
}

/** The variables of a project's connections, out of the file that only a project in its folder reads. */
function variablesOf(root: string): Record<string, string> {
  const lines = readFileSync(join(root, '.env.local'), 'utf8').split('\n')
  return Object.fromEntries(lines.flatMap((line) => (/^(\w+)=(.*)$/.exec(line) ? [[RegExp.$1, RegExp.$2]] : [])))
}

/** A copy of a project that has its variables from the environment alone. */
function withoutVariables(root: string): string {
  const copy = `${root}-apart`
  cpSync(root, copy, {
    recursive: true,
    filter: (path) => !/\/(node_modules|\.env\.local|\.sluice|lake|data|warehouse\.duckdb)$/.test(path),
  })
  symlinkSync(resolve(packageRoot, '../../node_modules'), join(copy, 'node_modules'))
  return copy
}

test('the template procedures: every call of a server in a process of its own', async () => {
  const { root, module } = await overServers('procedures', 'erp/server.mjs')
  const erp = await (module['startErp'] as () => Promise<{ stop(): Promise<void> }>)()
  stops.unshift(() => erp.stop())
  const apart = withoutVariables(root)
  expect((await command(root, ['run'])).code).toBe(0)
  const variables = variablesOf(root)
  Object.assign(process.env, variables)
  const { status, performed } = await runApart(apart, variables)
  expect(status).toBe('succeeded')
  expect(performed).toHaveLength(28 + steps.length)
  expect(await tablesOf(apart)).toEqual(await tablesOf(root))
})

test('the template marketplace: the first copy, a stream and histories, each in a process of its own; the warehouse is the shop', async () => {
  const { root, module } = await overServers('marketplace', 'shop/server.mjs')
  type Shop = { stop(): Promise<void> }
  const shop = await (module['startShop'] as (options: object) => Promise<Shop>)({
    sizes: { sellers: 12, customers: 60, products: 40, orders: 300 },
  })
  stops.unshift(() => shop.stop())
  const client = await (module['connectShop'] as () => Promise<pg.Client>)()
  stops.unshift(() => client.end())
  const load = (file: string): Promise<Record<string, (client: pg.Client, options?: object) => Promise<unknown>>> =>
    import(/* @vite-ignore */ pathToFileURL(join(root, file)).href)
  const { change } = await load('shop/change.mjs')
  const { verify } = await load('verify.mjs')
  for (const steps of [0, 150]) {
    if (steps > 0) await change!(client, { steps })
    const { status, performed } = await runApart(root, variablesOf(root))
    expect(status).toBe('succeeded')
    expect(performed.length).toBeGreaterThan(10)
    const compared = (await verify!(client)) as Record<string, { isEqual: boolean }>
    expect(Object.entries(compared).filter(([, { isEqual }]) => !isEqual)).toEqual([])
  }
})
