/* The files that are dropped or pasted, those in folders included. */

const IMAGE = /\.(jpe?g|jpe|jfif|png|webp|avif|gif|bmp|tiff?)$/i;

/* Return the files of a drop: each that was dropped itself, and the photos in dropped folders.
   To be called during the event, whose data is gone afterwards. */
export async function droppedFiles(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return files;
  const found = await Promise.all(
    entries.map((entry) => (entry.isDirectory ? photosIn(entry) : fileOf(entry))),
  );
  return found.flat();
}

async function photosIn(folder) {
  const reader = folder.createReader();
  const photos = [];
  for (;;) {
    // A reader returns a hundred entries at a time, and none at the end.
    const entries = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!entries.length) return photos;
    for (const entry of entries) {
      if (entry.isDirectory) photos.push(...(await photosIn(entry)));
      else if (IMAGE.test(entry.name)) photos.push(...(await fileOf(entry)));
    }
  }
}

function fileOf(entry) {
  return new Promise((resolve) => { entry.file((file) => resolve([file]), () => resolve([])); });
}
