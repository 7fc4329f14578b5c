/** What makes a query's result depend on more than its inputs: the clock, randomness, and the order in which rows happen to come. */
import type { Resolution } from './scope.ts'
import { child, children, type Tree } from './tree.ts'

/** Functions of the moment, of chance, or of a session's state. */
export const nondeterministicFunctions: Readonly<Record<string, string>> = {
  now: 'it is the time of the run',
  today: 'it is the day of the run',
  current_date: 'it is the day of the run',
  current_time: 'it is the time of the run',
  current_timestamp: 'it is the time of the run',
  current_localtime: 'it is the time of the run',
  current_localtimestamp: 'it is the time of the run',
  localtime: 'it is the time of the run',
  localtimestamp: 'it is the time of the run',
  get_current_time: 'it is the time of the run',
  get_current_timestamp: 'it is the time of the run',
  transaction_timestamp: 'it is the time of the run',
  random: 'it is drawn at random',
  setseed: 'it steers what is drawn at random',
  uuid: 'it is drawn at random',
  uuidv4: 'it is drawn at random',
  uuidv7: 'it is drawn at random',
  gen_random_uuid: 'it is drawn at random',
  nextval: 'it counts calls',
  currval: 'it counts calls',
  txid_current: 'it counts transactions',
  getvariable: 'it is a setting of the session',
  current_setting: 'it is a setting of the session',
  current_user: 'it depends on who runs it',
  session_user: 'it depends on who runs it',
  version: 'it depends on the engine',
}

/** Of those, the ones that are written without parentheses. */
export const bareFunctions: ReadonlySet<string> = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
  'current_user',
  'session_user',
])

/** Aggregates whose result depends on the order of their rows. */
const orderedAggregates: ReadonlySet<string> = new Set(
  'string_agg listagg list_agg group_concat list array_agg first last any_value arbitrary first_value last_value'.split(
    ' ',
  ),
)

/** Window functions whose result depends on the order of their rows. */
const orderedWindows: ReadonlySet<string> = new Set(
  'row_number lag lead first_value last_value nth_value ntile'.split(' '),
)

/** Notes an aggregate or a window function that needs an order and has none. */
export function noteFunction(kind: string, body: Tree, to: Resolution): void {
  if (kind === 'window_function') {
    noteWindow(body, to)
    return
  }
  const name = functionName(kind, body)
  if (!orderedAggregates.has(name) || children(body, 'order_by').length > 0 || windowed(body)) return
  to.report.nondeterministic(
    `${name} without ORDER BY`,
    'it takes rows in the order in which they happen to come',
    name,
  )
}

const functionName = (kind: string, body: Tree): string =>
  (kind === 'aggregate_function' || kind === 'function' ? String(body['name']) : kind).toLowerCase()

/** A window's own function is judged with its window. */
const inWindows = new WeakSet<Tree>()
const windowed = (body: Tree): boolean => inWindows.has(body)

function noteWindow(body: Tree, to: Resolution): void {
  const call = child(body, 'this')
  const kind = call === undefined ? '' : (Object.keys(call)[0] ?? '')
  const inner = child(call, kind) ?? {}
  inWindows.add(inner)
  const over = child(body, 'over')
  const name = functionName(kind, inner)
  const ordered = children(over, 'order_by').length > 0 || (over?.['window_name'] ?? null) !== null
  if (ordered || !(orderedWindows.has(name) || orderedAggregates.has(name))) return
  to.report.nondeterministic(
    `${name} without ORDER BY`,
    'it takes rows in the order in which they happen to come',
    name,
  )
}

/** Notes LIMIT and OFFSET without ORDER BY. */
export function noteLimit(body: Tree, to: Resolution): void {
  const limited = ['limit', 'offset', 'fetch'].some((clause) => (body[clause] ?? null) !== null)
  if (!limited || child(body, 'order_by') !== undefined) return
  to.report.nondeterministic('LIMIT without ORDER BY', 'which rows come first is not decided', 'limit')
}

/** Notes DISTINCT ON without ORDER BY. */
export function noteDistinctOn(body: Tree, to: Resolution): void {
  if (!Array.isArray(body['distinct_on']) || child(body, 'order_by') !== undefined) return
  to.report.nondeterministic(
    'DISTINCT ON without ORDER BY',
    'which row of each group is kept is not decided',
    'distinct',
  )
}
