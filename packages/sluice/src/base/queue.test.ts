import { expect, test } from 'vitest'
import { turns, workThrough } from './queue.ts'

const never = new AbortController().signal

test('work in turn does not overlap, and goes on after a failure', async () => {
  const inTurn = turns()
  const seen: string[] = []
  const work =
    (name: string, fails = false) =>
    async () => {
      seen.push(`${name} begins`)
      await Promise.resolve()
      seen.push(`${name} ends`)
      if (fails) throw new Error(name)
    }
  const all = await Promise.allSettled([inTurn(work('a')), inTurn(work('b', true)), inTurn(work('c'))])
  expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('a list is worked through side by side, each item once', async () => {
  const seen: number[] = []
  let [active, most] = [0, 0]
  await workThrough([1, 2, 3, 4, 5], { workers: 2, signal: never }, async (left) => {
    for (const item of left) {
      most = Math.max(most, ++active)
      await new Promise((done) => setTimeout(done, item))
      seen.push(item)
      active--
    }
  })
  expect([...seen].sort()).toEqual([1, 2, 3, 4, 5])
  expect(most).toBe(2)
})

test('the first failure stops the others, is waited for, and is what is thrown', async () => {
  const begun: number[] = []
  let ended = 0
  const working = workThrough([1, 2, 3, 4], { workers: 2, signal: never }, async (left, signal) => {
    for (const item of left) {
      begun.push(item)
      if (item === 1) throw new Error('first')
      await new Promise((done) => signal.addEventListener('abort', done))
      ended++
      throw new Error('stopped by it')
    }
  })
  await expect(working).rejects.toThrow('first')
  expect(begun).toEqual([1, 2])
  expect(ended).toBe(1)
})

test('a worker begins where there is nothing to do, and a stopped list says why', async () => {
  let begun = 0
  await workThrough([], { workers: 4, signal: never }, async (left) => {
    begun++
    expect([...left]).toEqual([])
  })
  expect(begun).toBe(1)
  const stopped = AbortSignal.abort(new Error('cancelled'))
  await expect(workThrough([1], { workers: 1, signal: stopped }, async () => {})).rejects.toThrow('cancelled')
})
