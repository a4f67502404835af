// The image that goes with a message: chosen or pasted, held as data.
const LARGEST = 4 << 20;

export class Picture {
  // `changed` is told what is wrong with an image that was not taken.
  constructor(form, changed) {
    this.changed = changed;
    this.data = null;
    this.field = form.querySelector("#image");
    this.place = form.querySelector("#picture");
    this.field.addEventListener("change", () => this.read(this.field.files[0]));
    form.addEventListener("paste", (event) => this.read(event.clipboardData.files[0]));
    this.place.querySelector("button").addEventListener("click", () => this.take(null));
  }

  read(file) {
    if (!file?.type.startsWith("image/")) return;
    if (file.size > LARGEST) {
      this.field.value = "";
      this.changed(`The image is larger than ${LARGEST >> 20} MB.`);
      return;
    }
    const reader = new FileReader();
    reader.addEventListener("load", () => this.take(reader.result));
    reader.readAsDataURL(file);
  }

  take(data) {
    this.data = data;
    this.place.hidden = !data;
    if (data) this.place.querySelector("img").src = data;
    else this.field.value = "";
    this.changed();
  }
}
