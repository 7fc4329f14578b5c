/** Looks at everything a run needs, and says what to do where something is missing. */

import { constants } from 'node:fs'
import { access, mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError } from '../../base/errors.ts'
import { capturedLogs } from '../../definition/cdc/cdc.ts'
import { projectIndex } from '../../definition/project-index.ts'
import { stateBelow } from '../../definition/state.ts'
import type { CdcControl, Finding } from '../api.ts'
import type { ProjectContext } from '../context.ts'

/** Free space below which a run is likely to stop half-way. */
const lowDiskBytes = 1024 ** 3

/**
 * Examines machine, folders, engine, warehouse, secrets, connections and logs of changes; changes nothing but making `.sluice`.
 *
 * @example for (const { name, status } of await doctor(context, [], project.cdc)) …
 */
export async function doctor(
  context: ProjectContext,
  missingSecrets: readonly string[],
  cdc: (table: string) => Promise<CdcControl>,
): Promise<readonly Finding[]> {
  return [
    nodeVersion(),
    await ownFolder(context),
    await disk(context),
    await engine(context),
    await lake(context),
    ...(await iceberg(context)),
    ...(await leases(context)),
    await warehouse(context),
    secrets(missingSecrets),
    ...(await connections(context)),
    ...(await changes(context, cdc)),
  ]
}

function nodeVersion(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  const fits = major > 20 || (major === 20 && minor >= 19)
  return {
    name: 'Node',
    status: fits ? 'ok' : 'fail',
    detail: process.versions.node,
    ...(fits ? {} : { fix: 'Install Node 20.19 or later.' }),
  }
}

async function ownFolder(context: ProjectContext): Promise<Finding> {
  const folder = join(context.root, stateBelow(context.project.config))
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.W_OK)
    return { name: 'State folder', status: 'ok', detail: folder }
  } catch (error) {
    return {
      name: 'State folder',
      status: 'fail',
      detail: error instanceof Error ? error.message : String(error),
      fix: `Make ${folder} writable.`,
    }
  }
}

async function disk(context: ProjectContext): Promise<Finding> {
  const { bavail, bsize } = await statfs(context.root)
  const free = bavail * bsize
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free`
  return free < lowDiskBytes
    ? { name: 'Disk', status: 'warn', detail, fix: 'Free some space: sluice clean' }
    : { name: 'Disk', status: 'ok', detail }
}

async function engine(context: ProjectContext): Promise<Finding> {
  try {
    await using session = await context.engine.open()
    const [row] = await session.all<{ version: string }>('SELECT version() AS version')
    return { name: 'DuckDB', status: 'ok', detail: row?.version ?? '' }
  } catch (error) {
    return {
      name: 'DuckDB',
      status: 'fail',
      detail: error instanceof Error ? error.message : String(error),
      fix: 'Install again: npm ci',
    }
  }
}

/** Reads every file of every current version, and every part that its record names: what was committed is what is there, byte for byte. */
async function lake(context: ProjectContext): Promise<Finding> {
  const { records, damaged: unreadable } = await (await import('../intact.ts')).intactTables(context.lake)
  const damaged = unreadable.map(({ error }) => `${error.message} ${error.hint ?? ''}`)
  for (const record of records) {
    const { table } = record
    try {
      await context.lake.verify({ ...record, quarantine: await context.lake.refused(record) })
      await context.lake.knownInputs(table)
    } catch (error) {
      damaged.push(error instanceof Error ? error.message : String(error))
    }
  }
  if (damaged.length === 0)
    return { name: 'Lake', status: 'ok', detail: `${records.length} tables, every byte as committed` }
  return {
    name: 'Lake',
    status: 'fail',
    detail: damaged.join(' '),
    fix: 'Make the table again (sluice run --force --select <table>), or go back to an intact version: sluice rollback <table> <version>',
  }
}

/** Whether other engines see the newest version of every table, where they can. */
async function iceberg({ lake }: ProjectContext): Promise<readonly Finding[]> {
  const { records } = await (await import('../intact.ts')).intactTables(lake)
  const late: string[] = []
  for (const { table } of records) {
    const state = await lake.iceberg(table)
    if (state !== undefined && !['current', 'unsupported'].includes(state.status))
      late.push(`${table} is ${state.status}: ${state.why ?? ''}`)
  }
  if (late.length === 0) return []
  const detail = `Other engines do not read the newest version as an Iceberg table. ${late.join('. ')}`
  return [{ name: 'Iceberg', status: 'warn', detail, fix: 'Write it again: sluice catalog sync' }]
}

/** Leases of runs that this machine cannot see: nothing says that they live. */
async function leases({ state, clock, project }: ProjectContext): Promise<readonly Finding[]> {
  const { heldLeases } = await import('../ledger/release.ts')
  const held = await heldLeases(
    state,
    clock,
    project.pipelines.map(({ name }) => name),
  )
  return held
    .filter((one) => one.state === 'unclear')
    .map(({ run, host, lastHeard, pipelines }) => {
      const isAhead = Date.parse(lastHeard) > clock.now().getTime()
      const detail = `run ${run} of ${host} has not given ${pipelines.join(', ')} back; it was last heard at ${lastHeard}${isAhead ? ', which is ahead of this clock' : ''}`
      const fix =
        'The next run watches it for 30 seconds before it takes over. Where that machine is gone: sluice doctor --release'
      return { name: 'Lease', status: 'warn', detail, fix }
    })
}

async function warehouse(context: ProjectContext): Promise<Finding> {
  if (!(await context.warehouseExists())) return { name: 'Warehouse', status: 'ok', detail: 'made by the first load' }
  try {
    const { loads: targets } = projectIndex(context.project)
    const [loads, changed] = await context.withWarehouse(
      async (opened) => [await opened.ledger({}), await opened.examine(targets, true)] as const,
    )
    const detail = `${loads.length} loads in its ledger`
    if (changed.length === 0) return { name: 'Warehouse', status: 'ok', detail }
    const rewritable = changed.filter(({ kind }) => kind === 'rows' || kind === 'known').map(({ target }) => target)
    return {
      name: 'Warehouse',
      status: 'warn',
      detail: [detail, ...changed.map((one) => `${one.target} ${one.detail}`)].join('; '),
      fix:
        rewritable.length === 0
          ? 'The next run says what to do: sluice run'
          : `Replace it from the lake: sluice run --force --select ${rewritable.join(',')}`,
    }
  } catch (error) {
    const busy = isSluiceError(error, 'Warehouse.Locked')
    return {
      name: 'Warehouse',
      status: busy ? 'warn' : 'fail',
      detail: error instanceof Error ? error.message : String(error),
      ...(isSluiceError(error) && error.hint !== undefined ? { fix: error.hint } : {}),
    }
  }
}

function secrets(missing: readonly string[]): Finding {
  return missing.length === 0
    ? { name: 'Secrets', status: 'ok', detail: 'all references can be resolved' }
    : {
        name: 'Secrets',
        status: 'fail',
        detail: `missing: ${missing.join(', ')}`,
        fix: 'Set them in the environment or in .env.local.',
      }
}

async function connections(context: ProjectContext): Promise<readonly Finding[]> {
  if (Object.keys(context.project.config.connections).length === 0) return []
  const { examineConnections } = await import('./connections.ts')
  return examineConnections(context)
}

async function changes(
  { project }: ProjectContext,
  cdc: (table: string) => Promise<CdcControl>,
): Promise<readonly Finding[]> {
  const logs = capturedLogs(project)
  if (logs.length === 0) return []
  const { examineChanges } = await import('./changes.ts')
  return (await Promise.all(logs.map(async ({ log }) => examineChanges(log, await cdc(log))))).flat()
}
