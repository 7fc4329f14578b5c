/** Which tasks a run is asked for: dbt's grammar of selectors, over pipelines, layers and tables. */
import { type Problem, problem } from '../base/errors.ts'
import { suggest } from '../definition/problems/suggest.ts'
import type { PlanTask } from './types.ts'

/** What a selector can see of a task. */
export interface Selectable {
  readonly id: string
  readonly kind: PlanTask['kind']
  readonly pipeline: string
  readonly layer: string
  readonly table: string
  readonly dependsOn: readonly string[]
}

/**
 * The ids of the tasks that are selected and not excluded. Selectors add up: `sales` or `stage.sales` (a table, or the target of a load),
 * `retail:*` or `pipeline:retail` (a pipeline), `layer:stage`, `*` for any run of characters; `+` before takes what it is made from as well,
 * `+` after takes what is made from it. A selector that names nothing is a problem, not an empty run.
 *
 * @example selectTasks(tasks, ['+fact_sales'], []).ids
 */
export function selectTasks(
  tasks: readonly Selectable[],
  select: readonly string[],
  exclude: readonly string[],
): { readonly ids: ReadonlySet<string>; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const resolve = (selectors: readonly string[]): ReadonlySet<string> =>
    new Set(
      selectors.flatMap((selector) => {
        const ids = matching(tasks, selector)
        if (ids.length === 0) problems.push(unknownSelector(tasks, selector))
        return ids
      }),
    )
  const selected = select.length === 0 ? new Set(tasks.map(({ id }) => id)) : resolve(select)
  const excluded = resolve(exclude)
  return { ids: new Set([...selected].filter((id) => !excluded.has(id))), problems }
}

/** The words of `text` as a pattern: `*` stands for any run of characters. */
function glob(text: string): (value: string) => boolean {
  const source = text
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*')
  const pattern = new RegExp(`^${source}$`)
  return (value) => pattern.test(value)
}

function matching(tasks: readonly Selectable[], selector: string): string[] {
  const [, before, core = '', after] = /^(\+?)(.*?)(\+?)$/s.exec(selector) ?? []
  const found = tasks.filter(predicate(core)).map(({ id }) => id)
  const ids = new Set(found)
  if (before) for (const id of reach(found, upstreamOf(tasks))) ids.add(id)
  if (after) for (const id of reach(found, downstreamOf(tasks))) ids.add(id)
  return [...ids]
}

function predicate(core: string): (task: Selectable) => boolean {
  const colon = core.indexOf(':')
  const named = glob(core)
  if (colon < 0) return ({ table }) => named(table) || named(shortName(table))
  const scope = core.slice(0, colon)
  const inScope = glob(core.slice(colon + 1))
  if (scope === 'layer') return ({ layer }) => inScope(layer)
  if (scope === 'pipeline') return ({ pipeline }) => inScope(pipeline)
  // What is left is `<pipeline>:<table>`, or a task's id as the plan prints it.
  return ({ id, pipeline, table }) =>
    named(id) || (glob(scope)(pipeline) && (inScope(table) || inScope(shortName(table))))
}

const shortName = (table: string): string => table.slice(table.indexOf('.') + 1)

function upstreamOf(tasks: readonly Selectable[]): ReadonlyMap<string, readonly string[]> {
  return new Map(tasks.map(({ id, dependsOn }) => [id, dependsOn]))
}

function downstreamOf(tasks: readonly Selectable[]): ReadonlyMap<string, readonly string[]> {
  const downstream = new Map<string, string[]>()
  for (const { id, dependsOn } of tasks)
    for (const upstream of dependsOn) downstream.set(upstream, [...(downstream.get(upstream) ?? []), id])
  return downstream
}

function reach(from: readonly string[], edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set<string>()
  const queue = [...from]
  for (let id = queue.pop(); id !== undefined; id = queue.pop())
    for (const next of edges.get(id) ?? [])
      if (!reached.has(next)) {
        reached.add(next)
        queue.push(next)
      }
  return reached
}

function unknownSelector(tasks: readonly Selectable[], selector: string): Problem {
  const core = selector.replace(/^\+|\+$/g, '')
  const known = new Set(
    tasks.flatMap(({ table, layer, pipeline }) => [
      table,
      shortName(table),
      `layer:${layer}`,
      `pipeline:${pipeline}`,
      `${pipeline}:*`,
    ]),
  )
  const suggestion = suggest(core, known)
  return problem('Plan.UnknownSelector', { selector }, suggestion === undefined ? {} : { suggestion })
}
