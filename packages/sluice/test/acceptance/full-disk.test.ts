import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openProject } from '../../src/run/project.ts'
import { type FileOperations, nodeFileOperations } from '../../src/storage/disk/file-operations.ts'
import { makeProject } from './project.ts'

/** A disk that has so many bytes left; what is removed comes back. */
function diskWith(disk: { free: number }): FileOperations {
  return {
    ...nodeFileOperations,
    async open(path, mode) {
      const file = await nodeFileOperations.open(path, mode)
      return {
        ...file,
        async write(bytes) {
          if (bytes.length > disk.free) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
          disk.free -= bytes.length
          await file.write(bytes)
        },
      }
    },
    async unlink(path) {
      const status = nodeFileOperations.status(path)
      await nodeFileOperations.unlink(path)
      if (status?.links === 1) disk.free += status.bytes
    },
  }
}

test('LK-04: on a disk without a free byte, clean works in the space that runs hold for it, and holds it again', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json':
      '{ "name": "p", "lake": { "retention": { "versions": 1, "days": 0 } }, "runRetention": { "runs": 1 }, "warehouse": { "kind": "duckdb", "path": "w.duckdb" } }',
    'pipelines/p/pipeline.yaml':
      "name: p\nlayers: [raw]\nsources:\n  t: { kind: files, path: 'inbox/*.csv', columns: { a: integer } }\n",
  })
  const disk = { free: 1 << 30 }
  const operations = diskWith(disk)
  const at = async <T>(work: (project: Awaited<ReturnType<typeof openProject>>) => Promise<T>): Promise<T> => {
    await using project = await openProject(root, { operations })
    return await work(project)
  }
  mkdirSync(join(root, 'inbox'))
  for (const n of [1, 2]) {
    writeFileSync(join(root, `inbox/${n}.csv`), `a\n${n}\n`)
    expect((await at((project) => project.run())).summary.status).toBe('succeeded')
  }
  writeFileSync(join(root, 'inbox/3.csv'), 'a\n3\n')
  disk.free = 0
  await expect(at((project) => project.run())).rejects.toMatchObject({ name: 'Storage.Full' })
  const { removed } = await at((project) => project.clean())
  expect(removed).toContain('raw/t/_versions/000000000001.json')
  // What was removed is free, and the reserve is held for another time.
  expect(disk.free).toBeGreaterThan(0)
  expect(disk.free).toBeLessThan(1 << 20)
  // Half of it is held where there is no room for the whole: again and again.
  disk.free = 0
  expect((await at((project) => project.clean())).removed).toEqual([])
  disk.free = 0
  expect((await at((project) => project.clean())).removed).toEqual([])
  disk.free = 1 << 30
  expect((await at((project) => project.run())).summary.status).toBe('succeeded')
})
