// The trap's front, which is the lid of a box of 200 x 150 mm (bom.csv, enclosure), with its holes, 1:1. All in mm.
// front-plate.svg is this file, printed without scaling and stuck on as a drilling template:
//   openscad -o front-plate.svg front-plate.scad      (deploy/get-debian .cache/openscad openscad brings it, without root)
// Sizes are estimates from the parts' drawings: measure your own parts before you drill.
width = 200; height = 150; corner = 8;
window = 42;        // clear hole behind a 50 mm window: 4 mm of glue all around
pir = 18;           // EKMB lens 17.4 mm (estimate)
lamp = 6.2;         // holder of a 5 mm LED
button = 16.2;      // IP67 button, 16 mm thread
sound = 3;          // three holes over the beeper, membrane behind
foot = 4.5;         // M4, straps' plate
line = 0.4;

module hole(x, y, d) { translate([x, y]) circle(d = d, $fn = 96); }
module cross(x, y) { translate([x, y]) { square([8, line], center = true); square([line, 8], center = true); } }

places = [ // x, y, diameter, name: the camera is far from the light, so that fog between them does not glow
  [55, 100, window, "camera 42"], [150, 100, window, "infrared light 42"],
  [102, 50, pir, "movement sensor 18"], // below both, looks where the camera looks
  [32, 35, lamp, "lamp 6.2"], [170, 35, button, "button 16.2"],
  [66, 35, sound, "beeper 3 x 3"], [60, 35, sound, ""], [72, 35, sound, ""],
  [12, 12, foot, ""], [188, 12, foot, ""], [12, 138, foot, "4 x 4.5"], [188, 138, foot, ""],
];

difference() {
  offset(r = corner, $fn = 96) offset(delta = -corner) square([width, height]);
  for (p = places) {
    difference() { hole(p[0], p[1], p[2]); cross(p[0], p[1]); }
    translate([p[0], p[1] - p[2] / 2 - 6]) text(p[3], size = 4, halign = "center");
  }
  translate([width / 2, height - 10]) text("trap, lid 200 x 150 mm, seen from outside", size = 4, halign = "center");
  translate([50, 12]) square([100, line]);
  translate([100, 15]) text("this line: 100 mm", size = 4, halign = "center");
}
