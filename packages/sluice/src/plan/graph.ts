/** The order of things: layers of all pipelines in one sequence, tasks of a layer in waves, and the cycles that forbid both. */

/** Edges by node: what it needs first. */
export type Needs = ReadonlyMap<string, readonly string[]>

/**
 * The cycles of a graph, one for each group of nodes that need each other; each begins at its first node by name and ends before it comes round.
 *
 * @example findCycles(new Map([['a', ['b']], ['b', ['a']]])) // [['a', 'b']]
 */
export function findCycles(needs: Needs): readonly (readonly string[])[] {
  const cycles: (readonly string[])[] = []
  const settled = new Set<string>()
  for (const start of [...needs.keys()].sort()) {
    if (settled.has(start)) continue
    const cycle = shortestWayBack(start, needs)
    if (cycle === undefined) continue
    cycles.push(cycle)
    // Other cycles through these nodes show up once this one is broken.
    for (const node of cycle) settled.add(node)
  }
  return cycles
}

/**
 * A wave for each node: one more than the latest of what it needs. Nodes of a cycle, and what needs them, come after all others.
 *
 * @example waves(new Map([['a', []], ['b', ['a']]])) // Map { 'a' => 0, 'b' => 1 }
 */
export function waves(needs: Needs): ReadonlyMap<string, number> {
  const wave = new Map<string, number>()
  let open = [...needs.keys()]
  for (let n = 0; open.length > 0; n++) {
    const ready = open.filter((node) => (needs.get(node) ?? []).every((need) => !needs.has(need) || wave.has(need)))
    for (const node of ready.length > 0 ? ready : open) wave.set(node, n)
    open = open.filter((node) => !wave.has(node))
  }
  return wave
}

/**
 * One sequence that keeps each of the given ones, and then as many of the wished pairs as it can; names that nothing orders stay in the order
 * of their first appearance. `conflict` holds names that the sequences order both ways.
 *
 * @example mergeOrders([['raw', 'stage'], ['raw', 'clean', 'stage']], []).order // ['raw', 'clean', 'stage']
 */
export function mergeOrders(
  sequences: readonly (readonly string[])[],
  wishes: readonly (readonly [string, string])[],
): { readonly order: readonly string[]; readonly conflict: readonly string[] } {
  const needs = new Map<string, string[]>()
  for (const sequence of sequences)
    for (const [i, name] of sequence.entries())
      needs.set(name, [...(needs.get(name) ?? []), ...(i > 0 ? [sequence[i - 1]!] : [])])
  const conflict = findCycles(needs)[0] ?? []
  for (const [before, after] of wishes) {
    const own = needs.get(after)
    if (own === undefined || before === after || leadsTo(before, after, needs)) continue
    own.push(before)
  }
  const order: string[] = []
  const names = [...needs.keys()]
  while (order.length < names.length) {
    const open = names.filter((name) => !order.includes(name))
    order.push(open.find((name) => needs.get(name)!.every((need) => order.includes(need))) ?? open[0]!)
  }
  return { order, conflict }
}

/** Whether `to` is reached from `from` by what it needs. @example leadsTo('c', 'a', new Map([['c', ['b']], ['b', ['a']]])) // true */
export function leadsTo(from: string, to: string, needs: Needs, seen = new Set<string>()): boolean {
  if (from === to) return true
  if (seen.has(from)) return false
  seen.add(from)
  return (needs.get(from) ?? []).some((need) => leadsTo(need, to, needs, seen))
}

/** The shortest cycle through a node, by breadth-first search. */
function shortestWayBack(start: string, needs: Needs): readonly string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const need of [...(needs.get(node) ?? [])].sort()) {
      if (need === start) {
        const path = [node]
        for (let at = node; at !== start; ) {
          at = cameFrom.get(at)!
          path.unshift(at)
        }
        return path
      }
      if (!needs.has(need) || cameFrom.has(need)) continue
      cameFrom.set(need, node)
      queue.push(need)
    }
  }
  return undefined
}
