import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Drop, openDrop, sourceOf } from '../../../test/sources/drop.ts'
import { systemClock } from '../../base/clock.ts'
import type { FilesSource } from '../../definition/types.ts'
import { diskInbox } from '../../inbox/disk/inbox.ts'
import { passedInWords } from '../passed.ts'
import type { DiscoveredInput } from '../source.ts'
import { discoverFiles } from './discover.ts'

const replacing: FilesSource = { ...sourceOf({ a: 'text' }), mode: 'replace' }
const dated: FilesSource = { ...replacing, fileDate: 'yyyy-MM-dd' }

/** Discovers again and again, each time as if all that was taken before had been committed. */
function deliveries(drop: Drop, source: FilesSource) {
  const known = new Map<string, string>()
  let current: readonly DiscoveredInput[] = []
  return async (): Promise<string> => {
    const found = await discoverFiles(source, { inbox: diskInbox(drop.root), clock: systemClock, current }, known)
    const taken = found.filter(({ decision }) => decision === 'take')
    for (const { id, path } of taken) known.set(id, path)
    if (taken.length > 0) current = taken.slice(-1)
    return found.map(({ path, decision, error }) => `${path.slice('inbox/'.length)} ${error ?? decision}`).join(', ')
  }
}

test('IN-25: in a table that is its newest delivery, content that is back after another is a new delivery', async () => {
  await using drop = await openDrop()
  const next = deliveries(drop, replacing)
  for (const content of ['a\nx\n', 'a\ny\n', 'a\nx\n', 'a\ny\n']) {
    drop.deliver('inbox/stock.csv', content)
    expect(await next()).toBe('stock.csv take')
    expect(await next()).toBe('stock.csv known')
  }
})

test('IN-25: so is one under a newer date, in one delivery or in several; the same content twice running is not', async () => {
  for (const atOnce of [true, false]) {
    await using drop = await openDrop()
    const next = deliveries(drop, dated)
    const seen: string[] = []
    for (const [day, content] of ['x', 'y', 'x', 'x'].entries()) {
      drop.deliver(`inbox/2024-01-0${day + 1}.csv`, `a\n${content}\n`)
      if (!atOnce) seen.push(await next())
    }
    if (atOnce) seen.push(await next())
    const last = seen.at(-1)!
    expect(last.split(', ').at(-1)).toBe('2024-01-04.csv known')
    expect(seen.join(', ')).toContain('2024-01-03.csv take')
    expect(await next()).toBe('2024-01-01.csv known, 2024-01-02.csv known, 2024-01-03.csv known, 2024-01-04.csv known')
  }
})

test('IN-25: a file that is refused makes no later one known', async () => {
  await using drop = await openDrop()
  const next = deliveries(drop, dated)
  drop.deliver('inbox/2024-01-05.csv', 'a\ny\n')
  await next()
  drop.deliver('inbox/2024-01-03.csv', 'a\nx\n')
  drop.deliver('inbox/2024-01-06.csv', 'a\nx\n')
  expect(await next()).toBe('2024-01-03.csv Source.OlderDelivery, 2024-01-05.csv known, 2024-01-06.csv take')
})

/** Delivers, discovers and archives, as a run does, and says what each run took. */
function archiving(drop: Drop, source: FilesSource) {
  const next = deliveries(drop, source)
  return async (name: string, content: string): Promise<string> => {
    drop.deliver(`inbox/${name}`, content)
    const seen = await next()
    rmSync(join(drop.root, 'inbox', name))
    return seen
  }
}

test('IN-25: the newest delivery decides, under whatever name content of long ago comes back', async () => {
  await using drop = await openDrop()
  const run = archiving(drop, replacing)
  expect(await run('mon.csv', 'a\nx\n')).toBe('mon.csv take')
  expect(await run('tue.csv', 'a\ny\n')).toBe('tue.csv take')
  expect(await run('wed.csv', 'a\nx\n')).toBe('wed.csv take')
  expect(await run('thu.csv', 'a\nx\n')).toBe('thu.csv known')
  expect(await run('tue.csv', 'a\ny\n')).toBe('tue.csv take')
  expect(await run('wed.csv', 'a\nx\n')).toBe('wed.csv take')
  expect(await run('mon.csv', 'a\nx\n')).toBe('mon.csv known')
  const appending = archiving(drop, { ...replacing, mode: 'append' })
  for (const [name, content] of [
    ['mon.csv', 'x'],
    ['tue.csv', 'y'],
  ] as const)
    expect(await appending(name, `a\n${content}\n`)).toBe(`${name} take`)
  expect(await appending('wed.csv', 'a\nx\n')).toBe('wed.csv known')
  expect(await appending('mon.csv', 'a\nx\n')).toBe('mon.csv known')
})

test('IN-25: in one delivery, too, and what was taken and could not be archived yet is no new delivery', async () => {
  await using drop = await openDrop()
  const next = deliveries(drop, replacing)
  for (const [name, content] of [
    ['1', 'x'],
    ['2', 'y'],
    ['3', 'x'],
  ])
    drop.deliver(`inbox/${name}.csv`, `a\n${content}\n`)
  expect(await next()).toBe('1.csv take, 2.csv take, 3.csv take')
  expect(await next()).toBe('1.csv known, 2.csv known, 3.csv known')
  rmSync(join(drop.root, 'inbox/1.csv'))
  expect(await next()).toBe('2.csv known, 3.csv known')
})

test('IN-29: what looks like an input and is none is reported, one line a reason', async () => {
  await using drop = await openDrop()
  for (const path of ['inbox/x.csv', 'inbox/_1.csv', 'inbox/_2.csv', 'inbox/_3.csv', 'inbox/_4.csv', 'error/y.csv'])
    drop.deliver(path, 'a\nx\n')
  symlinkSync(join(drop.root, 'error/y.csv'), join(drop.root, 'inbox/y\n.csv'))
  symlinkSync(join(drop.root, 'error/y.csv'), join(drop.root, 'error/z.csv'))
  const source = { ...replacing, path: '**/*.csv' }
  const found = await discoverFiles(source, { inbox: diskInbox(drop.root), clock: systemClock }, new Map())
  expect(found.filter(({ decision }) => decision === 'take').map(({ path }) => path)).toEqual(['inbox/x.csv'])
  expect([...passedInWords(found)].sort()).toEqual([
    '"inbox/_1.csv", "inbox/_2.csv", "inbox/_3.csv" and 1 more were left: names that begin with . or _ are left unless the pattern names them',
    '"inbox/y\\n.csv" was left: links are not followed',
  ])
})
