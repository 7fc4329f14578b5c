/**
 * What each target of the warehouse holds. That is the warehouse's to say; its answer is kept beside a stamp of the warehouse, so that a plan need
 * not open it while nothing was loaded. A cache: it may be deleted at any time.
 */
import { projectIndex } from '../../definition/project-index.ts'
import type { HeldSnapshot, TargetState } from '../../plan/types.ts'
import { readJson } from '../../storage/read-json.ts'
import type { ProjectContext } from '../context.ts'
import { acceptedInstants } from '../ledger/accepted.ts'

type States = Readonly<Record<string, TargetState>>

interface Kept {
  readonly stamp: string
  readonly targets: States
}

const path = 'cache/targets.json'

/**
 * The newest load of every target of a project; none where there is no warehouse yet.
 *
 * @example const { fact_sales } = await targetStates(context)
 */
export async function targetStates(context: ProjectContext): Promise<States> {
  const wanted = projectIndex(context.project).loads.map(({ target }) => target)
  if (wanted.length === 0 || !(await context.warehouseExists())) return {}
  const stamp = context.warehouseStamp()
  const kept = await readJson<Kept>(context.cache, path)
  const targets = stamp !== undefined && kept?.stamp === stamp ? kept.targets : await askWarehouse(context)
  // The same before and after, so that no load came in between.
  if (targets !== kept?.targets && stamp !== undefined && context.warehouseStamp() === stamp)
    await context.cache.write(path, JSON.stringify({ stamp, targets } satisfies Kept)).catch(() => undefined)
  const known = Object.entries(targets).filter(([target]) => wanted.includes(target))
  return Object.fromEntries(
    await Promise.all(
      known.map(async ([target, state]) => [target, await withAccepted(context, target, state)] as const),
    ),
  )
}

/**
 * The snapshots that the last loads held, and that nobody has accepted.
 *
 * @example const [first] = await heldSnapshots(context) // { target: 'dim_price', instant: '2026-03-02', keys: 40, before: 100 }
 */
export async function heldSnapshots(
  context: ProjectContext,
): Promise<readonly (HeldSnapshot & { readonly target: string })[]> {
  const states = Object.entries(await targetStates(context))
  return states.flatMap(([target, { held = [] }]) => held.map((one) => ({ target, ...one })))
}

/** What the last load held may have been accepted since. */
async function withAccepted(
  { state }: Pick<ProjectContext, 'state'>,
  target: string,
  loaded: TargetState,
): Promise<TargetState> {
  if (loaded.held === undefined) return loaded
  const accepted = new Set(await acceptedInstants(state, target))
  const { held, ...rest } = loaded
  return {
    ...rest,
    held: held.filter(({ instant }) => !accepted.has(instant)),
    accepted: held.flatMap(({ instant }) => (accepted.has(instant) ? [instant] : [])),
  }
}

async function askWarehouse(context: ProjectContext): Promise<States> {
  return context.withWarehouse(async (warehouse) => {
    const newest: Record<string, TargetState> = {}
    // Newest first: of several loads of a version the last one says what there is.
    for (const { target, version, definition, run, result } of await warehouse.ledger({}))
      if ((newest[target]?.version ?? -1) < version)
        newest[target] = { version, definition, run, ...(result.held === undefined ? {} : { held: result.held }) }
    for (const { target, kind, detail } of await warehouse.examine(projectIndex(context.project).loads, false))
      if (newest[target] !== undefined)
        newest[target] = { ...newest[target], changed: { detail, isKnown: kind === 'known' } }
    return newest
  })
}
