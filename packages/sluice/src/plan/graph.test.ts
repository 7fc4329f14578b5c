import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findCycles, mergeOrders, waves } from './graph.ts'

const node = fc.integer({ min: 0, max: 11 }).map(String)
const graph = fc.array(fc.tuple(node, fc.uniqueArray(node, { maxLength: 4 }))).map((edges) => new Map(edges))

test('in a graph without cycles everything comes after what it needs, and no later than it must', () => {
  const forward = graph.map(
    (needs) => new Map([...needs].map(([id, to]) => [id, to.filter((one) => Number(one) < Number(id))])),
  )
  fc.assert(
    fc.property(forward, (needs) => {
      expect(findCycles(needs)).toEqual([])
      const wave = waves(needs)
      for (const [id, of] of needs) {
        const known = of.filter((one) => needs.has(one)).map((one) => wave.get(one)!)
        expect(wave.get(id)).toBe(known.length === 0 ? 0 : Math.max(...known) + 1)
      }
    }),
  )
})

test('every cycle that is reported is one, and a graph with a cycle has one reported', () => {
  fc.assert(
    fc.property(graph, (needs) => {
      const cycles = findCycles(needs)
      for (const cycle of cycles)
        for (const [n, id] of cycle.entries()) expect(needs.get(id)).toContain(cycle[(n + 1) % cycle.length])
      const order = [...waves(needs)].sort(([, a], [, b]) => a - b).map(([id]) => id)
      const sorted = [...needs].every(([id, of]) =>
        of.every((one) => !needs.has(one) || order.indexOf(one) < order.indexOf(id)),
      )
      expect(sorted).toBe(cycles.length === 0)
      expect(order).toHaveLength(needs.size)
    }),
  )
})

test('layers keep the order of each pipeline, and follow what is read across them where they can', () => {
  const a = ['raw', 'stage', 'analytics']
  const b = ['bronze', 'silver']
  expect(mergeOrders([a, b], []).order).toEqual(['raw', 'stage', 'analytics', 'bronze', 'silver'])
  expect(mergeOrders([a, b], [['bronze', 'stage']]).order).toEqual(['raw', 'bronze', 'stage', 'analytics', 'silver'])
  expect(mergeOrders([a, b], [['stage', 'raw']])).toEqual({ order: [...a, ...b], conflict: [] })
  expect(mergeOrders([a, ['stage', 'raw']], []).conflict).toEqual(['raw', 'stage'])
})
