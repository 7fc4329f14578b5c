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

/** What a plan asks of the warehouse. */
interface Answer {
  readonly targets: States
  /** Of a target the others that its foreign keys name. */
  readonly references: { readonly [target: string]: readonly string[] }
}

interface Kept extends Answer {
  readonly stamp: string
}

const path = 'cache/targets.json'

/**
 * The newest load of every target of a project; none where there is no warehouse yet.
 *
 * @example const { fact_sales } = await targetStates(context)
 */
export async function targetStates(context: ProjectContext): Promise<States> {
  return (await warehouseAnswer(context)).targets
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

/**
 * The newest load of every target, and the order that foreign keys ask for.
 *
 * @example const { targets, references } = await warehouseAnswer(context)
 */
export async function warehouseAnswer(context: ProjectContext): Promise<Answer> {
  const wanted = projectIndex(context.project).loads.map(({ target }) => target)
  if (wanted.length === 0 || !(await context.warehouseExists())) return { targets: {}, references: {} }
  const stamp = context.warehouseStamp()
  const kept = await readJson<Kept>(context.cache, path)
  const isKept = stamp !== undefined && kept?.stamp === stamp && kept.references !== undefined
  const answer: Answer = isKept ? kept : await askWarehouse(context, wanted)
  // The same before and after, so that no load came in between.
  if (!isKept && stamp !== undefined && context.warehouseStamp() === stamp)
    await context.cache.write(path, JSON.stringify({ stamp, ...answer } satisfies Kept)).catch(() => undefined)
  const known = Object.entries(answer.targets).filter(([target]) => wanted.includes(target))
  const targets = await Promise.all(
    known.map(async ([target, state]) => [target, await withAccepted(context, target, state)] as const),
  )
  return { targets: Object.fromEntries(targets), references: answer.references }
}

async function askWarehouse(context: ProjectContext, wanted: readonly string[]): Promise<Answer> {
  return context.withWarehouse(async (warehouse) => {
    const newest: Record<string, TargetState> = {}
    // Newest first: of several loads of a version the last one says what there is.
    for (const { target, version, definition, run, result } of await warehouse.ledger({}))
      if ((newest[target]?.version ?? -1) < version)
        newest[target] = { version, definition, run, ...(result.held === undefined ? {} : { held: result.held }) }
    for (const { target, kind, detail } of await warehouse.examine(projectIndex(context.project).loads, false))
      if (newest[target] !== undefined)
        newest[target] = { ...newest[target], changed: { detail, isKnown: kind === 'known' } }
    return { targets: newest, references: await warehouse.references(wanted) }
  })
}
